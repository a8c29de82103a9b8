"""The explorer: one page in which runs of a folder are moved through depth side by side, with a live simulator."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from compare.files import write_text
from compare.plotting import COLOURS
from compare.reporting.explorer_data import LEAST_CHORD, ROUNDING, embedded
from compare.reporting.verdict_table import TABLES, columns
from compare.study.results import LeftOut, SavedRun, read_run, readable, run_paths

NAME = "explore.html"
MOST_BYTES = 7_000_000
CLUSTER_COLOURS = COLOURS[:6]


@dataclass(frozen=True)
class Explored:
    """The page that was written, the labels of the runs in it, and how many there are in the folder."""

    page: Path
    included: tuple[str, ...]
    total: int


def explore(
    directory: Path,
    chosen: Sequence[str] = (),
    progress: Callable[[Iterable[SavedRun]], Iterable[SavedRun]] = iter,
) -> Explored:
    """Write `directory`/explore.html, which needs nothing else and asks no network.

    chosen: labels of runs or names of their files, all of which are taken; where empty, the first run of every group,
    then the second, and so on, until 7 MB are full: the theory, models as trained, models changed. progress: wraps
    the runs that are worked through, as tqdm does.

    Raises ValueError where there are no runs, none that can be read, or none of a chosen name. A file that cannot be
    read is left out with a warning. Cost: O(depth token^2 d) a run.
    """
    paths = run_paths(directory)
    if not paths:
        raise ValueError(
            f"no runs in {directory / 'runs'}: make some with `metasphere compare --out {directory}`"
        )
    runs, _ = readable([_read(path) for path in paths])
    return write_explorer(directory, runs, chosen, progress)


def write_explorer(
    directory: Path,
    runs: Sequence[SavedRun],
    chosen: Sequence[str] = (),
    progress: Callable[[Iterable[SavedRun]], Iterable[SavedRun]] = iter,
) -> Explored:
    """As `explore`, of runs that are read."""
    asked = named(runs, chosen) if chosen else in_turn(runs)
    kinds = {one.group: one.table for one in columns(runs)}
    found: list[dict[str, Any]] = []
    room = MOST_BYTES
    for run in progress(asked):
        one = embedded(run.points(), run.label, kinds[run.group])
        room -= len(json.dumps(one))
        if room < 0 and found and not chosen:
            break
        found.append(one)
    write_text(directory / NAME, page(found, len(runs)))
    return Explored(directory / NAME, tuple(one["label"] for one in found), len(runs))


def page(runs: Sequence[dict[str, Any]], total: int) -> str:
    """The page on runs as of `embedded`, in which text is escaped and JSON cannot end its script."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compare.reporting"),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": False,
        "separators": (",", ":"),
        "allow_nan": False,
    }
    data = {"colours": CLUSTER_COLOURS, "kinds": TABLES, "runs": runs}
    return environment.get_template("explorer/page.html.j2").render(
        data=data, total=total, rounding=f"{100 * ROUNDING:.2g} %", least=f"{LEAST_CHORD:g}"
    )


def in_turn(runs: Sequence[SavedRun]) -> list[SavedRun]:
    """The first run of every group, then the second of every group, and so on; frames that attention reads first."""
    places = {one.group: place for place, one in enumerate(columns(runs))}
    ordered = sorted(runs, key=lambda run: ("calibrated" not in run.presets, run.label))
    before: Counter[str] = Counter()
    turns = []
    for run in ordered:
        turns.append((before[run.group], places[run.group]))
        before[run.group] += 1
    return [run for _, run in sorted(zip(turns, ordered), key=lambda pair: pair[0])]


def named(runs: Sequence[SavedRun], names: Sequence[str]) -> list[SavedRun]:
    """The runs of these labels or files. Raises ValueError for a name that no run has."""
    found = {}
    for name in names:
        here = [run for run in runs if name in (run.label, run.path.stem, run.path.name)]
        if not here:
            some = ", ".join(repr(run.label) for run in runs[:3])
            raise ValueError(f"no run {name!r}: give the label or the file of a run there, such as {some}")
        found |= {run.path: run for run in here}
    return list(found.values())


def _read(path: Path) -> SavedRun | LeftOut:
    try:
        return read_run(path)
    except ValueError as error:
        return LeftOut(path, str(error))
