"""The usual pictures of a sweep on one page: each variable as a phase diagram and as curves, for each kind."""

from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from compare.plot.grid import names, sweep, varying
from compare.plotting import save_figure

_PANEL = (4.4, 3.6)
_MOST_CURVES = 6


def draw(table: xr.Dataset, path: Path) -> Path:
    """Write a PNG of every variable of a sweep that is one number a cell or a cell and time. Returns its path.

    Axes that are not drawn are held at their middle value, which the titles name. Raises ValueError where nothing can
    be drawn.
    """
    drawn = [name for name in names(table) if varying(table[name])]
    if not drawn:
        raise ValueError("the table holds no variable that changes over an axis: nothing to draw")
    save_figure(path, lambda: _page(table, drawn))
    return path


def _page(table: xr.Dataset, drawn: list[str]) -> Figure:
    kinds = table["kind"].values
    figure = plt.figure(figsize=(2 * _PANEL[0] * len(kinds), _PANEL[1] * len(drawn)))
    grid = figure.subplots(len(drawn), 2 * len(kinds), squeeze=False)
    for name, row in zip(drawn, grid):
        for number, kind in enumerate(kinds):
            diagram, curves = row[2 * number : 2 * number + 2]
            values = table[name].sel(kind=kind)
            axes = sorted(varying(values), key=lambda axis: axis != "beta")
            x, second = [*axes, None, None][:2]
            rest = {axis: values[axis].values[values.sizes[axis] // 2] for axis in axes[2:] if axis != "time"}
            at = {**rest, **({"kind": kind} if len(kinds) > 1 else {})}
            if x is None or second is None:
                diagram.remove()
            else:
                sweep(table, name, x=x, y=second, at=at, axes=diagram)
            few = table
            if second is not None and values.sizes[second] > _MOST_CURVES:
                step = -(-values.sizes[second] // _MOST_CURVES)
                few = table.isel({second: slice(None, None, step)})
            sweep(few, name, x=x, curves=second, at=at, axes=curves)
    return figure
