"""The runner: groups of every generator through measuring and judging, kept so that a run that was killed goes on."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from compare.calibration.generator import DEPTHS, Shape
from compare.calibration.one_group import Record, tried
from compare.calibration.registry import GENERATORS
from compare.calibration.summary import as_json, summary
from compare.files import output_directory, write_text
from compare.study.closure import code_digest
from compare.workers import Spread

SEED = 2027
SIZE = 9
TOKENS = (36, 48, 64)
LARGE = ("sa", "caps", "fuzzy", "iid", "mean", "drift", "student")
SLOW = ("caps_sweep",)
Progress = Callable[[Iterable[Any]], Iterable[Any]]


def calibrate(
    directory: str | os.PathLike[str],
    groups: int = 100,
    size: int = SIZE,
    tokens: Sequence[int] = TOKENS,
    draws: int = 99,
    seed: int = SEED,
    progress: Progress = iter,
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
        "code": code_digest(tried),
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
    for name, number, record in progress(Spread(partial(tried, draws=draws, seed=seed), todo)):
        records[name][number] = record
        _keep(_path(found, name), settings, records[name])
    table = summary({name: _in_order(kept)[:groups] for name, kept in records.items()})
    table = table.assign_attrs(settings=json.dumps(settings, sort_keys=True))
    write_text(folder / "calibration.json", as_json(table))
    return table


def command(
    directory: str | os.PathLike[str], quick: bool = False, seed: int = SEED, progress: Progress = iter
) -> tuple[xr.Dataset, ...]:
    """What `metasphere calibrate` does: the whole calibration, or a quick one, kept under `directory`/calibration.

    The whole one judges 100 groups of every generator with 36 to 64 tokens, and in calibration/large 4 groups of those
    in `LARGE` with 200 and 450 tokens, at 99 null draws. The quick one takes 3 groups of every generator but the one
    that compiles `sim.coalesce`, at 29 draws. Returns the tables, one each. Cost: hours of one core, or minutes.
    """
    folder = Path(directory) / "calibration"
    if quick:
        names = [name for name in GENERATORS if name not in SLOW]
        return (calibrate(folder, 3, draws=29, seed=seed, progress=progress, names=names),)
    usual = calibrate(folder, seed=seed, progress=progress)
    large = calibrate(folder / "large", 4, tokens=(200, 450), seed=seed, progress=progress, names=LARGE)
    return usual, large


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
