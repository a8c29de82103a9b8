"""The axes of a grid and the values that each may take."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

Axis = float | str | Callable[..., np.ndarray] | Sequence[float | str] | np.ndarray | range
"""One value of an axis, or several."""

AXES = {
    "kind": "dynamics",
    "causal": "whether token i sees only tokens j <= i",
    "norm": "where the norm sits",
    "clock": "clock of USA",
    "start": "first points",
    "n": "number of tokens",
    "d": "dimension: the sphere is S^(d-1)",
    "beta": "inverse temperature",
    "seed": "seed of the start",
}
LISTED = ("kind", "n", "d", "beta", "seed")
_DEFAULTS: dict[str, Any] = {
    "kind": "SA",
    "causal": False,
    "norm": "post",
    "clock": "metastability",
    "start": "uniform",
    "seed": 0,
}
MOST_BYTES = 8 * 2**30
MOST_VALUES = 10**8
"""Of an axis."""
COPIES = 64
"""Arrays of the size of the points that a solver holds."""
_LEAST = {"n": 2, "d": 2, "seed": 0}


def checked_axes(grid: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Every axis of `AXES` with its values, in that order. ``seeds = k`` in the grid stands for ``seed`` 0 to k - 1.

    Raises ValueError for an axis that is missing or unknown, one without values or with the same value twice, a
    value of another type, and a cell of more than 8 GiB.
    """
    grid = dict(grid)
    if "seeds" in grid:
        if "seed" in grid:
            raise ValueError("a grid has seed, a list of seeds, or seeds, how many; got both: leave one out")
        count = _whole("seeds", grid.pop("seeds"), 1)
        if count > MOST_VALUES:
            raise ValueError(f"seeds must be at most {MOST_VALUES:,}, got {count:,}: a table holds no more")
        grid["seed"] = range(count)
    filled: dict[str, Any] = _DEFAULTS | grid
    if set(filled) != set(AXES):
        optional = ", ".join(_DEFAULTS)
        raise ValueError(
            f"grid must have the axes beta, d, n and may have {optional}, seeds; got {', '.join(grid) or 'none'}"
        )
    axes = {name: _checked_axis(name, filled[name]) for name in AXES}
    n, d = max(axes["n"]), max(axes["d"])
    needed = 8 * n * (d + COPIES * min(n, d))
    if needed > MOST_BYTES:
        raise ValueError(
            f"a cell of n = {n} tokens in d = {d} dimensions takes {needed / 2**30:.3g} GiB, over "
            f"{MOST_BYTES / 2**30:g}: shorten an axis"
        )
    return axes


def _checked_axis(name: str, given: Any) -> tuple[Any, ...]:
    listed = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    values = tuple(value.item() if isinstance(value, np.generic | np.ndarray) else value for value in listed)
    if not values:
        raise ValueError(f"{name} has no values: give at least one")
    if name in _LEAST:
        values = tuple(_whole(name, value, _LEAST[name]) for value in values)
    elif name == "beta":
        if any(isinstance(value, bool) or not isinstance(value, Real) for value in values):
            raise ValueError(f"beta must be numbers, got {_shortened(values)}")
        values = tuple(map(float, values))
    elif name == "causal":
        if not all(isinstance(value, bool) for value in values):
            raise ValueError(f"causal must be true or false, got {_shortened(values)}")
    elif not all(isinstance(value, str) or (name == "start" and callable(value)) for value in values):
        raise ValueError(f"{name} must be names, got {_shortened(values)}")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} must be a list of different values, got {_shortened(values)}: drop repeats")
    return values


def _whole(name: str, value: Any, least: int) -> int:
    whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < least:
        raise ValueError(f"{name} must be whole numbers of at least {least}, got {value!r}")
    return int(value)


def _shortened(values: tuple[Any, ...]) -> str:
    shown = ", ".join(repr(value) for value in values[:5])
    return f"[{shown}{', ...' if len(values) > 5 else ''}]"
