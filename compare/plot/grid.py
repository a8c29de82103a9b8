"""The table of a sweep as a phase diagram over two of its axes, or as curves with intervals over seeds."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from compare.plot.canvas import given_or_new
from compare.plotting import COLOURS
from sim.sweeps.axes import AXES

INNER = (0.1, 0.9)
_MOST_CURVES = 7
_MOST_TICKS = 8
_WIDE = 50.0
_ABSENT = "0.85"
_FIRST = ("collapse_time", "clusters", "mean_cosine", "energy")
Place = bool | int | float | str
"""A value of an axis of a sweep."""
ClosedForm = Callable[[Mapping[str, Place | np.ndarray]], ArrayLike]


def sweep(
    store: str | os.PathLike[str] | xr.Dataset,
    name: str | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    curves: str | None = None,
    at: Mapping[str, Place] | None = None,
    over: Mapping[str, ClosedForm] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw one variable of a sweep: over two axes as a phase diagram, where `y` is given, else as curves over `x`.

    Both show the median over seeds, and the curves also the range from the tenth to the ninetieth percentile. A
    place where a seed has no value, since it has not been run or not collapsed, is grey in the diagram and a gap in a
    curve.

    Arguments
    ---------
    store: path of a sweep's .zarr store, finished or not, or of a .nc table, or the data set itself.
    name: the variable; of those that `sim.sweep` records the first that is there where None.
    x, y, curves: axes of the grid, or ``"time"``; x is beta where None, or the first axis that varies. `curves` is the
        axis of which each value is one line, at most seven, for which there is no `y`.
    at: values of the other axes that have several, such as {"n": 64}; the last time where it does not say.
    over: closed forms to draw over the curves as dashed lines, by the name in the legend: functions from the values of
        the axes, {"beta": array, "n": 64, ...}, to those of the variable.
    axes: where to draw; new ones where None.

    Returns the axes. Raises ValueError for names that the table does not have, and axes that nothing is said of.

    >>> import sim
    >>> from compare import plot
    >>> table = sim.sweep({"beta": [1.0, 4.0], "d": 3, "n": 8}, [0.0, 2.0], "mean_cosine")
    >>> plot.sweep(table).get_title()
    'kind SA, n 8, d 3, time 2'
    """
    table = opened(store)
    if y is not None and (curves is not None or over):
        raise ValueError(
            "a phase diagram has x and y, curves have x, curves and over: leave out one of the two"
        )
    name = _variable(table, name)
    values = table[name]
    x = x or next((axis for axis in ("beta", *varying(values)) if axis in varying(values)), "beta")
    shown = [axis for axis in (x, y, curves) if axis is not None]
    if len(set(shown)) < len(shown):
        raise ValueError(f"x, y and curves must be different axes, got {', '.join(shown)}")
    values = _chosen(values, shown, dict(at or {}))
    axes = given_or_new(axes)
    if y is not None:
        _diagram(axes, values.transpose(y, x, "seed"))
    else:
        _lines(axes, values, x, curves, over or {})
    fixed = [
        f"{axis} {_shown(values[axis].item())}" for axis in (*AXES, "time") if _is_fixed(values, axis, shown)
    ]
    axes.set_title(", ".join(fixed), fontsize="medium")
    return axes


def opened(store: str | os.PathLike[str] | xr.Dataset) -> xr.Dataset:
    """The table of a sweep from wherever it is. Raises ValueError where there is none."""
    if isinstance(store, xr.Dataset):
        return store
    path = Path(store)
    try:
        return xr.open_zarr(path, chunks=None) if path.is_dir() else xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is not the table of a sweep: give a .zarr store or a .nc file") from error


def varying(values: xr.DataArray) -> list[str]:
    """Axes of the grid, and time, of which the variable has several values."""
    return [axis for axis in (*AXES, "time") if axis != "seed" and values.sizes.get(axis, 1) > 1]


def names(table: xr.Dataset) -> list[str]:
    """The variables that can be drawn: one number a cell, or a cell and time."""
    known = {*AXES, "time"}
    drawable = [str(name) for name, values in table.items() if set(map(str, values.dims)) <= known]
    own = [name for name in drawable if name not in (*_FIRST, "reached", "evaluations")]
    return [name for name in _FIRST if name in drawable] + own


def _variable(table: xr.Dataset, name: str | None) -> str:
    if name is None:
        name = next(iter(names(table)), "that can be drawn")
    if name not in table:
        there = ", ".join(map(str, table.data_vars))
        raise ValueError(f"the table has no variable {name}: choose of {there}")
    return name


def _chosen(values: xr.DataArray, shown: list[str], at: Mapping[str, Place]) -> xr.DataArray:
    """The variable with the axes that are shown, and seed."""
    for axis in shown:
        if axis not in values.dims or axis == "seed":
            raise ValueError(
                f"{values.name} has no axis {axis}: choose of {', '.join(map(str, values.dims))}"
            )
    for axis in set(at) - set(values.dims):
        raise ValueError(f"{values.name} has no axis {axis}: leave it out of at")
    for axis, value in at.items():
        held = values[axis].values
        near = np.argmin(np.abs(held - value)) if axis == "time" else np.flatnonzero(held == value)
        if not np.size(near):
            raise ValueError(f"{axis} is never {value}: choose of {', '.join(map(_shown, held))}")
        values = values.isel({axis: int(np.ravel(near)[0])})
    for axis in values.dims:
        if axis in shown or axis == "seed":
            continue
        if values.sizes[axis] > 1 and axis != "time":
            held = ", ".join(map(_shown, values[axis].values))
            raise ValueError(
                f"{axis} has several values, {held}: choose one with at, or draw it as x, y or curves"
            )
        values = values.isel({axis: -1})
    return values if "seed" in values.dims else values.expand_dims("seed")


def _diagram(axes: Axes, values: xr.DataArray) -> None:
    """Cells side by side, whatever the distances of their values; ticks where there is room."""
    vertical, horizontal, _ = map(str, values.dims)
    colours = plt.get_cmap("viridis").with_extremes(bad=_ABSENT)
    median = _median(values)
    mesh = axes.pcolormesh(np.ma.masked_invalid(median), cmap=colours, rasterized=True)
    axes.figure.colorbar(mesh, ax=axes, label=_label(values))
    axes.grid(visible=False)
    for axis, ruler in ((horizontal, axes.xaxis), (vertical, axes.yaxis)):
        held = values[axis].values
        places = np.arange(0, len(held), -(-len(held) // _MOST_TICKS))
        ruler.set_major_locator(FixedLocator((places + 0.5).tolist()))
        ruler.set_minor_locator(NullLocator())
        ruler.set_ticklabels([_shown(held[place]) for place in places])
    axes.set(xlabel=_label(values[horizontal]), ylabel=_label(values[vertical]))
    if not np.all(np.isfinite(median)):
        grey = Patch(color=_ABSENT, label="a seed has no value")
        axes.legend(handles=[grey], loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _lines(
    axes: Axes, values: xr.DataArray, x: str, curves: str | None, over: Mapping[str, ClosedForm]
) -> None:
    held = [None] if curves is None else list(values[curves].values)
    if len(held) > _MOST_CURVES:
        raise ValueError(f"{curves} has {len(held)} values, too many lines to tell apart: choose it as y")
    places = values[x].values
    numbers = np.arange(len(places)) if places.dtype.kind not in "iuf" else places
    for value, colour in zip(held, COLOURS):
        one = values if value is None else values.sel({curves: value})
        one = one.transpose(x, "seed")
        low, high = (_quantile(one, share) for share in INNER)
        label = None if value is None else f"{curves} {_shown(value)}"
        axes.plot(numbers, _median(one), color=colour, marker=".", label=label)
        axes.fill_between(numbers, low, high, color=colour, alpha=0.2, linewidth=0)
        point = {axis: one[axis].item() for axis in AXES if axis in one.coords and one[axis].ndim == 0}
        for number, (title, form) in enumerate(over.items()):
            style = ("--", ":", "-.")[number % 3]
            drawn = f"{title}, {label}" if label else title
            axes.plot(numbers, np.asarray(form({**point, x: places})), style, color=colour, label=drawn)
    if places.dtype.kind not in "iuf":
        axes.set_xticks(numbers, list(map(_shown, places)))
    elif _is_wide(positive := places[places > 0]):
        axes.set_xscale("symlog", linthresh=float(positive[0])) if places[0] <= 0 else axes.set_xscale("log")
    median = _median(values.transpose(..., "seed"))
    if np.all(median[np.isfinite(median)] > 0) and _is_wide(median[np.isfinite(median)]):
        axes.set_yscale("log")
    axes.set(xlabel=_label(values[x]), ylabel=_label(values))
    if curves is not None or over:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)


def _median(values: xr.DataArray) -> np.ndarray:
    return _quantile(values, 0.5)


def _quantile(values: xr.DataArray, share: float) -> np.ndarray:
    """A quantile over seeds, the last dimension; NaN where one of them has no value."""
    return np.quantile(values.values, share, axis=-1)


def _is_wide(values: np.ndarray) -> bool:
    return values.size > 1 and bool(values.max() / values.min() > _WIDE)


def _is_fixed(values: xr.DataArray, axis: str, shown: list[str]) -> bool:
    return axis in values.coords and axis not in shown and axis != "seed" and values[axis].ndim == 0


def _label(values: xr.DataArray) -> str:
    """The name of an axis or a variable with what it means and its units; in short, since figures are small."""
    name = str(values.name)
    meaning = str(values.attrs.get("long_name", "")).split(":")[0].split(";")[0]
    units = values.attrs.get("units", "1")
    shown = f"{meaning} {name}" if name in AXES else (meaning or name)
    if name == "time":
        shown = "time t"
    return shown if units == "1" else f"{shown} ({units})"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
