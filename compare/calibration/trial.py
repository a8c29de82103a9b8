"""The runner: groups of every generator through measuring and judging, kept so that a run that was killed goes on."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from compare.calibration.generator import DEPTHS, Shape, group
from compare.calibration.registry import GENERATORS
from compare.calibration.summary import as_json, as_text, rows, summary
from compare.files import code_digest, output_directory, write_text
from compare.judging.judge import judge
from compare.judging.verdicts import Verdict
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.workers import Spread
from sim.trajectory import Trajectory

MAKING = (
    "claims",
    "clouds",
    "falls",
    "flow",
    "generator",
    "mixtures",
    "negatives",
    "oracle",
    "positives",
    "sweeps",
)
CODE = (
    "sim",
    *(f"compare.calibration.{module}" for module in MAKING),
    *(f"compare.{name}" for name in ("judging", "metrics", "statistics", "theory")),
)
SEED = 2027
JUDGE_SEED = 0
SIZE = 9
TOKENS = (36, 48, 64)
GROUP = "group"
LARGE = ("sa", "caps", "fuzzy", "iid", "mean", "drift", "student")
SLOW = ("caps_sweep",)
Record = dict[str, Any]
Progress = Callable[[Iterable[Any]], Iterable[Any]]


def calibrate(
    directory: str | os.PathLike[str],
    groups: int = 100,
    size: int = SIZE,
    tokens: Sequence[int] = TOKENS,
    draws: int = 99,
    seed: int = SEED,
    progress: Progress = list,
    names: Iterable[str] | None = None,
) -> xr.Dataset:
    """Judge groups of runs whose truth is known, and count how often the judge is right.

    Each group is made from its own seed, rounded to bfloat16, measured with the preset ``"calibrated"`` and judged
    alone, in as many processes as help. What was found is kept in `directory`/groups/NAME.json, one file a generator,
    after every group; a second call with the same arguments goes on where the first one was stopped, and judges nothing
    twice. A file that other arguments or other code made is begun anew. Nothing was tuned on the default seed.

    Arguments
    ---------
    directory: where the files are kept, with the table in calibration.json (`compare.calibration.summary.as_json`).
    groups: groups of each generator.
    size: runs of a group, 6 or more for the judge to decide anything.
    tokens: numbers of tokens, taken by the groups in turn; from 32 on H1 applies.
    draws: null draws of a run.
    seed: of the generators; the judge has its own.
    progress: wraps the groups still to do, which have a length, such as a bar.
    names: generators, all of them where None.

    Returns the data set of `compare.calibration.summary.summary`.
    Raises ValueError for an unknown name, fewer than 1 group, 2 runs, 8 tokens or 1 draw, or a directory that cannot
    be written. Cost: that of measuring groups * size runs of each generator, about 0.5 s of one core
    a group of nine runs with 48 tokens at 99 draws.
    """
    chosen = _chosen(names)
    if groups < 1 or size < 2 or draws < 1 or not tokens or min(tokens) < 8:
        raise ValueError(
            "need at least 1 group, 2 runs, 1 draw and 8 tokens, "
            f"got groups={groups}, size={size}, draws={draws}, tokens={tuple(tokens)}"
        )
    folder = output_directory(directory)
    found = folder / "groups"
    settings = {
        "code": code_digest(*CODE),
        "size": size,
        "tokens": list(tokens),
        "draws": draws,
        "seed": seed,
    }
    records = {name: _kept(_path(found, name), settings) for name in chosen}
    todo = [
        (name, number, Shape(size, tokens[number % len(tokens)], DEPTHS[number // len(tokens) % len(DEPTHS)]))
        for name in chosen
        for number in range(groups)
        if number not in records[name]
    ]
    for name, number, record in progress(Spread(partial(_tried, draws=draws, seed=seed), todo)):
        records[name][number] = record
        _keep(_path(found, name), settings, records[name])
    table = summary({name: _in_order(kept)[:groups] for name, kept in records.items()})
    table = table.assign_attrs(settings=json.dumps(settings, sort_keys=True))
    write_text(folder / "calibration.json", as_json(table))
    return table


def _tried(task: tuple[str, int, Shape], draws: int, seed: int) -> tuple[str, int, Record]:
    name, number, shape = task
    return name, number, judged(group(GENERATORS[name], seed, number, shape), draws)


def judged(runs: Sequence[Trajectory], draws: int) -> Record:
    """What the judge says of one group: its verdicts, effects and p by hypothesis, beside what is true of its runs.

    Thresholds of the measurement are not varied, which is most of its cost and has no part in a verdict.

    Runs whose provenance has another ``part`` than "group" are judged beside it, as its controls.
    ``plateau`` and ``descent`` are means over the runs of what their provenance says of the points before rounding.
    """
    parts: dict[str, list[Trajectory]] = {}
    for run in runs:
        parts.setdefault(run.provenance.get("part", GROUP), []).append(run)
    with threadpool_limits(limits=1):
        measured = {
            name: [calibrated(run, draws, JUDGE_SEED, {"base": BASE}) for run in each]
            for name, each in parts.items()
        }
    verdicts = judge(parts, seed=JUDGE_SEED, draws=draws, measured=measured)
    facts = [run.provenance for run in runs]
    depths, tokens, dimension = runs[0].points.shape
    return {
        "depths": depths,
        "tokens": tokens,
        "dimension": dimension,
        "beta": [facts[0]["beta"], facts[-1]["beta"]],
        "plateau": float(np.mean([fact["oracle_plateau"] for fact in facts])),
        "descent": _mean([fact["oracle_descent"] for fact in facts]),
        "verdicts": {row.hypothesis: _told(row) for row in verdicts.rows if row.group == GROUP},
    }


def _told(row: Verdict) -> Record:
    """A row of the judge as JSON values, None where a number is not finite."""
    low, high = row.ci
    return {
        "verdict": row.verdict,
        "effect": _finite(row.effect),
        "ci": [_finite(low), _finite(high)],
        "p": _finite(row.p),
        "why": row.why,
    }


def kept_records(directory: str | os.PathLike[str]) -> dict[str, list[Record]]:
    """The groups of the files of a directory, by generator: to summarise what is there of a run that goes on."""
    folder = Path(directory) / "groups"
    return {
        name: json.loads(_path(folder, name).read_text(encoding="utf-8"))["groups"]
        for name in GENERATORS
        if _path(folder, name).is_file()
    }


def command(
    directory: str | os.PathLike[str], quick: bool = False, seed: int = SEED, progress: Progress = list
) -> str:
    """What `metasphere calibrate` does: the whole calibration, or a quick one, kept under `directory`/calibration.

    The whole one judges 100 groups of every generator with 36 to 64 tokens, and in calibration/large 4 groups of those
    in `LARGE` with 200 and 450 tokens, at 99 null draws. The quick one takes 3 groups of every generator but the one
    that compiles `sim.coalesce`, at 29 draws. Returns the rows as text. Cost: hours of one core, or minutes.
    """
    folder = Path(directory) / "calibration"
    if quick:
        names = [name for name in GENERATORS if name not in SLOW]
        return as_text(rows(calibrate(folder, 3, draws=29, seed=seed, progress=progress, names=names)))
    usual = calibrate(folder, seed=seed, progress=progress)
    large = calibrate(folder / "large", 4, tokens=(200, 450), seed=seed, progress=progress, names=LARGE)
    return "\n\n".join(as_text(rows(table)) for table in (usual, large))


def _chosen(names: Iterable[str] | None) -> list[str]:
    wanted = list(GENERATORS) if names is None else list(names)
    for name in wanted:
        if name not in GENERATORS:
            raise ValueError(f"no generator {name!r}: choose from {', '.join(GENERATORS)}")
    return wanted


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _kept(path: Path, settings: Mapping[str, Any]) -> dict[int, Record]:
    """The groups of a file, by number, that these settings and this code made."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(zip(kept["numbers"], kept["groups"])) if kept.get("settings") == settings else {}


def _keep(path: Path, settings: Mapping[str, Any], records: Mapping[int, Record]) -> None:
    kept = {"settings": settings, "numbers": sorted(records), "groups": _in_order(records)}
    write_text(path, json.dumps(kept, indent=0, sort_keys=True) + "\n")


def _in_order(records: Mapping[int, Record]) -> list[Record]:
    return [records[number] for number in sorted(records)]


def _mean(values: Sequence[float]) -> float | None:
    """The mean of the finite ones."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return float(value) if np.isfinite(value) else None
