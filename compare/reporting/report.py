"""The report: every run of a folder measured, judged and drawn into pages of HTML that need nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from compare.files import file_digest, write_text
from compare.judging.group import Group, MeasuredRun
from compare.judging.groups import paired
from compare.judging.judge import Answer, answers, decided
from compare.judging.reach import SEARCHES
from compare.judging.registry import chosen
from compare.judging.verdicts import Verdicts
from compare.metrics.threads import one_thread
from compare.reporting.explorer import write_explorer
from compare.reporting.model_page import by_group
from compare.reporting.page import FOLDER, pages
from compare.reporting.published_page import criteria_rows
from compare.reporting.verdict_table import columns
from compare.study.analyses import KeptTables, kept_model_tables
from compare.study.readings import forget_models
from compare.study.results import LeftOut, SavedRun, Settings, complete_run, readable, run_paths
from compare.workers import Spread, Workers
from sim import Trajectory

Done = TypeVar("Done")
PUBLISHED_SCHEMA = "metasphere/published/1"


class Progress(Protocol):
    """Wraps what is worked through and gives it back piece by piece, as `tqdm.tqdm` does."""

    def __call__(self, work: Iterable[Done], /) -> Iterable[Done]: ...


def report(
    directory: str | Path,
    *,
    draws: int = 99,
    seed: int = 0,
    limits: str = "coarse",
    hypotheses: str | Sequence[str] | None = None,
    progress: Progress = list,
) -> Path:
    """Measure and judge every run in `directory`/runs, and write what was found into `directory`.

    - ``report.html``: what was found, to be read in a minute; it opens to everything else in ``report/``, a page a
      hypothesis, a page a model and some more. Styles, figures, data and the script of the animations are inside each,
      nothing is fetched, all text that came from a prompt is escaped. A page that no run stands behind any more goes.
    - ``explore.html``: runs side by side, dragged through depth, and a live simulator; some of every group.
    - ``verdicts.json``: the judge's table, schema ``metasphere/verdicts/3`` (`compare.judging.verdicts.Verdicts`).
    - ``published.json``: the post's own criteria of every run measured by its definitions, schema
      ``metasphere/published/1``: ``criteria``, a list of objects with the ``run`` and the fields of
      `compare.published.criteria.Criterion`; ``met`` is true, false or null (undefined on this run; ``reason`` says
      why).
    - ``verdicts.csv``, ``verdicts.tex``: the table for a spreadsheet, and for LaTeX.
    - ``measured/``: what was measured, which the next call reads again where run, code and settings are the same.

    draws, seed: null draws a run, and the seed of everything random. limits: as of `compare.judge`, but that what is
    planted in attention stays as it is where the attention of a run was not kept. hypotheses: ids of those to ask and
    correct for, all of the registry where None. progress: wraps what is worked through, as tqdm does. Pages on models
    show what `directory`/models holds beside the runs, and the calibration is shown where `directory`/calibration holds
    one.

    Returns the path of the page. A file that cannot be read is left out, with a warning, and named on the page. Raises
    ValueError where there are no runs, or none that can be read, and RuntimeError, with nothing written, where a run of
    `metasphere compare` would have to be measured anew by other draws, seed or code, and its attention was not kept.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import compare
    >>> import sim
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "runs").mkdir()
    ...     run = sim.simulate(sim.Attention(9.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    ...     run.save(f"{folder}/runs/eight.nc")
    ...     compare.report(folder, draws=9).name
    'report.html'
    """
    asked = tuple(one.id for one in chosen(hypotheses))
    return report_on(
        directory, draws=draws, seed=seed, limits=limits, hypotheses=asked, progress=progress
    ).page


@dataclass(frozen=True)
class Written:
    """The first page of a report, and what was found, in sentences."""

    page: Path
    findings: tuple[str, ...]


def report_on(
    directory: str | Path,
    *,
    draws: int,
    seed: int,
    limits: str,
    hypotheses: Sequence[str],
    progress: Progress,
) -> Written:
    """As `report`, with what was found."""
    directory = Path(directory)
    paths = run_paths(directory)
    if not paths:
        raise ValueError(
            f"no runs in {directory / 'runs'}: make some with `metasphere compare --out {directory}`"
        )
    with Workers() as workers:
        settings = Settings(draws, seed, SEARCHES[limits].plantings)
        found = progress(Spread(partial(complete_run, settings=settings), paths, workers))
        judging = Judging(draws, seed, limits, tuple(hypotheses), workers, progress)
        return write_report(directory, list(found), judging)


@dataclass(frozen=True)
class Judging:
    """How runs are judged: `draws`, `seed`, `limits` as of `compare.judge`; ids of what is asked, of all where none is
    named; by which processes, and who looks on.
    """

    draws: int
    seed: int
    limits: str = "coarse"
    hypotheses: tuple[str, ...] = ()
    workers: Workers | None = None
    progress: Progress = list


def write_report(directory: Path, found: Iterable[SavedRun | LeftOut], judging: Judging) -> Written:
    """Judge runs that are complete, and write the files of `report`.

    Warns of what is left out. Raises ValueError, the reason of the first one, where nothing else is there.
    """
    runs, left_out = readable(found)
    ordered = sorted(runs, key=lambda run: (run.is_model, run.label))
    kept = kept_model_tables(directory, ordered)
    with one_thread():
        judged = judge_runs(ordered, kept, judging)
        made = pages(directory, ordered, judged, kept, left_out, judging.limits)
        write_explorer(directory, ordered)
    write_text(directory / "published.json", published_json(ordered))
    write_text(directory / "verdicts.tex", judged.to_latex())
    judged.to_csv(directory / "verdicts.csv")
    judged.to_json(directory / "verdicts.json")
    _write_pages(directory, made.texts)
    return Written(directory / "report.html", made.findings)


def _write_pages(directory: Path, texts: Mapping[str, str]) -> None:
    """Write every page, the first one last, and remove those of models and hypotheses that are no longer there."""
    for path, text in reversed(list(texts.items())):
        write_text(directory / path, text)
    for pattern in ("model-*.html", "hypothesis-*.html"):
        for path in (directory / FOLDER).glob(pattern):
            if f"{FOLDER}/{path.name}" not in texts:
                path.unlink()


def judge_runs(runs: Sequence[SavedRun], kept: KeptTables, judging: Judging) -> Verdicts:
    """The judge's table of the runs in which attention reads, without a row where there is none.

    Groups are asked in as many processes as help; each reads the points of its group from their files.
    """
    members = by_group(runs, "calibrated")
    measured = {
        one.group: [
            _measured(run, str(run.facts.get("label", f"{one.group} {place}")))
            for place, run in enumerate(members[one.group].values())
        ]
        for one in columns(runs)
        if one.group in members
    }
    for each in members.values():
        _check_copies(list(each.values()))
    if not measured:
        return Verdicts((), {}, judging.seed, judging.draws)
    groups = paired(measured, kept.tables, SEARCHES[judging.limits])
    ask = partial(_answers, hypotheses=judging.hypotheses)
    said = judging.progress(Spread(ask, groups, judging.workers))
    return decided(groups, said, judging.seed, judging.draws, chosen(judging.hypotheses or None))


def _measured(run: SavedRun, label: str) -> MeasuredRun:
    """A run as the judge takes it, whose points are read from its file where they are asked for."""
    return MeasuredRun(label, run.facts, run.measured("calibrated"), partial(_points, run))


def _points(run: SavedRun) -> Trajectory:
    """The trajectory of the file, if it is the one that was measured. Raises ValueError where it is not."""
    measured, *_ = json.loads(run.measured("calibrated").attrs["key"])
    trajectory = run.points()
    if file_digest(run.path) != measured:
        raise ValueError(f"{run.path} has changed since it was measured: run the same command again")
    return trajectory


def _answers(group: Group, hypotheses: tuple[str, ...]) -> tuple[str, tuple[Answer, ...]]:
    forget_models()
    return answers(group, chosen(hypotheses or None))


def _check_copies(runs: Sequence[SavedRun]) -> None:
    """Raise ValueError where one file is there twice: copies are no independent runs."""
    first: dict[str, SavedRun] = {}
    for run in runs:
        if (same := first.setdefault(run.digest, run)) is not run:
            raise ValueError(f"{same.path} and {run.path} are the same run, which counts once: remove one")


def published_json(runs: Sequence[SavedRun]) -> str:
    """The post's criteria of every run measured by its definitions, as JSON text."""
    measured = {run.label: run.measured("published") for run in runs if "published" in run.presets}
    table = {"schema": PUBLISHED_SCHEMA, "criteria": criteria_rows(measured)}
    return json.dumps(table, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
