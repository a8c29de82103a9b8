"""Grids as TOML files, read strictly: what is not understood is refused, never guessed."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from compare.study import plan as study
from compare.study.simulations import save_times
from sim.sweeps.axes import AXES
from sim.sweeps.plan import Plan, planned
from sim.sweeps.starts import STARTS

_SHIPPED = files("compare.cli") / "grids"
_AXES = (*AXES, "seeds")
_NUMBERS = ("rtol", "atol", "radius", "tau", "alpha")
_KEYS = (*_AXES, "until", "depths", "times", "observe", "max_steps", "dtype", *_NUMBERS)


def shipped() -> list[str]:
    """Names of the grids that come with the package."""
    return sorted(Path(grid.name).stem for grid in _SHIPPED.iterdir() if grid.name.endswith(".toml"))


def read_grid(source: str | Path) -> Plan:
    """The plan that a TOML file asks for, given by its path or by the name of a shipped one.

    The file holds the axes of `sweep`; ``until`` and ``depths`` (0, and times evenly in log t from 0.01 to until) or
    ``times``; and may hold ``observe`` (names), ``radius``, ``tau``, ``alpha``, ``rtol``, ``atol``, ``max_steps`` and
    ``dtype``. The paths of starts are relative to the file.

    Raises ValueError for a file that cannot be read, an unknown key, and a value that is not of its type or range.
    """
    text, folder = _text(source)
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"cannot read {source} as TOML ({error}): give lines such as beta = [1, 9], d = [3], n = [64]"
        ) from error
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise ValueError(f"{source} has the unknown key {unknown[0]}: a grid may have {', '.join(_KEYS)}")
    try:
        grid = {name: given[name] for name in _AXES if name in given}
        for name, value in grid.items():
            if isinstance(value, dict):
                raise ValueError(f"{name} must be a value or a list of values, got a table")
        if "start" in grid:
            grid["start"] = _placed(grid["start"], folder)
        settings: dict[str, Any] = {name: _number(given, name) for name in _NUMBERS if name in given}
        if "max_steps" in given:
            settings["max_steps"] = _whole(given, "max_steps")
        if "dtype" in given:
            settings["dtype"] = given["dtype"]
        return planned(grid, _times(given), _names(given), **settings)
    except ValueError as error:
        raise ValueError(f"in {source}: {error}") from error


def _text(source: str | Path) -> tuple[str, Path]:
    path = Path(source)
    shipped_one = _SHIPPED / f"{source}.toml"
    if not path.exists() and str(source) in shipped():
        return shipped_one.read_text("utf-8"), Path()
    try:
        return path.read_text("utf-8"), path.parent
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"cannot read {source} ({error}): give a TOML file, or the name of a grid that is there: "
            f"{', '.join(shipped())}"
        ) from error


def _times(given: Mapping[str, Any]) -> Any:
    if "times" in given:
        if "until" in given or "depths" in given:
            raise ValueError("a grid has times, or until and depths; got both: leave one out")
        times = given["times"]
        if not isinstance(times, list) or not all(map(_is_number, times)):
            raise ValueError(f"times must be a list of numbers, got {times!r}")
        return times
    until = _number(given, "until") if "until" in given else study.UNTIL
    return save_times(until, _whole(given, "depths") if "depths" in given else study.DEPTHS)


def _names(given: Mapping[str, Any]) -> list[str]:
    names = given.get("observe", ["mean_cosine", "energy"])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"observe must be names, got {names!r}")
    return names


def _placed(start: Any, folder: Path) -> Any:
    """Starts that are paths, seen from the folder of the grid."""
    listed = start if isinstance(start, list) else [start]
    return [str(folder / one) if isinstance(one, str) and one not in STARTS else one for one in listed]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(given: Mapping[str, Any], name: str) -> float:
    if not _is_number(given[name]):
        raise ValueError(f"{name} must be a number, got {given[name]!r}")
    return float(given[name])


def _whole(given: Mapping[str, Any], name: str) -> int:
    if not isinstance(given[name], int) or isinstance(given[name], bool):
        raise ValueError(f"{name} must be a whole number, got {given[name]!r}")
    return given[name]
