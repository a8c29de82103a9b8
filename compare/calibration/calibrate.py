"""The runner: groups of every generator through measuring and judging, kept so that a run that was killed goes on."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration.generator import DEPTHS, Generator, Shape, group
from compare.calibration.registry import GENERATORS
from compare.calibration.summary import as_json, as_text, rows, summary
from compare.files import code_digest, output_directory, write_text
from compare.judge import judge
from compare.verdicts import Verdict
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
    *(f"compare.{name}" for name in ("hypotheses", "intervals", "judge", "pairs", "treatment")),
    *(f"compare.{package}" for package in ("judging", "metrics", "nulls", "theory")),
)
SEED = 2026
SIZE = 9
TOKENS = (36, 48, 64)
GROUP = "group"
LARGE = ("sa", "caps", "fuzzy", "iid", "mean", "drift", "student")
SLOW = ("caps_sweep",)
Record = dict[str, Any]
Progress = Callable[[Sequence[Any]], Iterable[Any]]


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
    alone. What was found is kept in `directory`/groups/NAME.json, one file a generator, after every group; a second
    call with the same arguments goes on where the first one was stopped, and judges nothing twice. A file that other
    arguments or other code made is begun anew. Nothing was tuned on the default seed.

    Arguments
    ---------
    directory: where the files are kept, with the table in calibration.json (`compare.calibration.summary.as_json`).
    groups: groups of each generator.
    size: runs of a group, 6 or more for the judge to decide anything.
    tokens: numbers of tokens, taken by the groups in turn; from 32 on H1 applies.
    draws: null draws of a run.
    seed: of the generators; the judge's own is 0.
    progress: wraps the list of (generator, group number) still to do, such as a bar.
    names: generators, all of them where None.

    Returns the data set of `compare.calibration.summary.summary`.
    Raises ValueError for an unknown name, fewer than 1 group, 2 runs, 8 tokens or 1 draw, or a directory that cannot
    be written. Cost: that of measuring groups * size runs of each generator, about 2 s of one core a group of nine
    runs with 48 tokens at 99 draws, 1 s at 39; making them costs a tenth of it.
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
    records = {generator.name: _kept(_path(found, generator), settings)[:groups] for generator in chosen}
    todo = [
        (generator, number) for generator in chosen for number in range(len(records[generator.name]), groups)
    ]
    for generator, number in progress(todo):
        shape = Shape(size, tokens[number % len(tokens)], DEPTHS[number // len(tokens) % len(DEPTHS)])
        kept = records[generator.name]
        kept.append(judged(group(generator, seed, number, shape), draws))
        _keep(_path(found, generator), settings, kept)
    table = summary(records).assign_attrs(settings=json.dumps(settings, sort_keys=True))
    write_text(folder / "calibration.json", as_json(table))
    return table


def judged(runs: Sequence[Trajectory], draws: int) -> Record:
    """What the judge says of one group: its verdicts, effects and p by hypothesis, beside what is true of its runs.

    Runs whose provenance has another ``part`` than "group" are judged beside it, as its controls.
    ``plateau`` and ``descent`` are means over the runs of what their provenance says of the points before rounding.
    """
    parts: dict[str, list[Trajectory]] = {}
    for run in runs:
        parts.setdefault(run.provenance.get("part", GROUP), []).append(run)
    verdicts = judge(parts, draws=draws)
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
    """What the files of a directory hold, by generator: to summarise what is there of a run that goes on."""
    folder = Path(directory) / "groups"
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["groups"]
        for name in GENERATORS
        if (folder / f"{name}.json").is_file()
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


def _chosen(names: Iterable[str] | None) -> list[Generator]:
    wanted = list(GENERATORS) if names is None else list(names)
    for name in wanted:
        if name not in GENERATORS:
            raise ValueError(f"no generator {name!r}: choose from {', '.join(GENERATORS)}")
    return [GENERATORS[name] for name in wanted]


def _path(folder: Path, generator: Generator) -> Path:
    return folder / f"{generator.name}.json"


def _kept(path: Path, settings: Mapping[str, Any]) -> list[Record]:
    """The groups of a file that these settings and this code made; none where there is no such file."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return kept["groups"] if kept.get("settings") == settings else []


def _keep(path: Path, settings: Mapping[str, Any], groups: Sequence[Record]) -> None:
    write_text(path, json.dumps({"settings": settings, "groups": groups}, indent=0, sort_keys=True) + "\n")


def _mean(values: Sequence[float]) -> float | None:
    """The mean of the finite ones."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return float(value) if np.isfinite(value) else None
