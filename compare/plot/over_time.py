"""Theory and models on the same axes: one measured quantity over the time t of SA, with intervals over runs."""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from compare.plot.canvas import given_or_new
from compare.plotting import COLOURS
from compare.statistics import t_interval

DECADES = 1e4
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def overlay(
    groups: Mapping[str, Sequence[xr.Dataset]],
    name: str = "cluster_life_excess",
    *,
    times: Mapping[str, Float[np.ndarray, " _"]] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """The mean over the runs of each group and its 95 % interval: simulations coloured, models black with marks.

    A layer has no time of its own. `times` gives each group of models the time that its layers are worth, as
    `compare.analyses.idealised.effective_time` finds it; without it groups of models alone are drawn over layers.

    Arguments
    ---------
    groups: name of a group -> what ``compare.measure(run)`` gave for its runs, all at the same depths. name: a
        measured variable of one number a depth, such as ``mean_cosine``, ``cluster_number``, ``energy``. times: group
        -> (depth,) times t of SA, increasing, for groups on the axis "layer". axes: where to draw; new ones where None.

    Returns the axes. Raises ValueError where a group on layers stands beside one over time and has no times, where a
    group's runs are at different depths or over log t, and for a variable that is not one number a depth.
    Source: intervals by Student's t over runs, at each depth on its own.

    >>> import compare
    >>> import sim
    >>> runs = [sim.simulate(sim.Attention(4.0), sim.uniform(16, 3, seed), [0.0, 1.0, 10.0]) for seed in (0, 1)]
    >>> groups = {"SA": [compare.measure(run, draws=9) for run in runs]}
    >>> compare.plot.overlay(groups, "mean_cosine").get_xlabel()
    'time t of SA'
    """
    over_layers = all(_axis(runs) == "layer" for runs in groups.values()) and not times
    places = {group: _places(group, runs, times or {}, over_layers) for group, runs in groups.items()}
    axes = given_or_new(axes)
    looks = {"time": cycle((colour, "", "-") for colour in COLOURS[:-1])}
    looks["layer"] = cycle((rcParams["text.color"], marker, "--") for marker in MARKERS)
    for group, runs in groups.items():
        values = np.stack([_values(run, name) for run in runs])
        colour, marker, style = next(looks[_axis(runs)])
        axes.plot(
            places[group], values.mean(axis=0), style, color=colour, marker=marker, markersize=4, label=group
        )
        if len(runs) > 1:
            low, high = np.array([t_interval(column) for column in values.T]).T
            axes.fill_between(
                places[group], low, high, color=colour, alpha=0.07 if marker else 0.18, linewidth=0
            )
    if over_layers:
        axes.set_xlabel("layer (0: embedding)")
    else:
        later = np.concatenate([each[each > 0] for each in places.values()])
        if later.size and later.max() > 50 * later.min():
            axes.set_xscale("symlog", linthresh=float(max(later.min(), later.max() / DECADES)), linscale=0.8)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time:g}"))
        axes.set_xlabel("time t of SA")
    first = next(iter(groups.values()))[0][name]
    unit = first.attrs.get("units", "1")
    axes.set_ylabel(first.attrs.get("long_name", name) + ("" if unit in ("", "1") else f" ({unit})"))
    return axes


def _axis(runs: Sequence[xr.Dataset]) -> str:
    return str(runs[0].attrs["axis"])


def _places(
    group: str,
    runs: Sequence[xr.Dataset],
    times: Mapping[str, Float[np.ndarray, " _"]],
    over_layers: bool,
) -> Float[np.ndarray, " _"]:
    depth = runs[0]["depth"].values
    if any(not np.array_equal(run["depth"].values, depth) for run in runs):
        raise ValueError(f"the runs of {group} are at different depths: give runs that can be averaged")
    if json.loads(runs[0].attrs["provenance"]).get("depth") == "log t":
        raise ValueError(f"{group} is recorded over log t, which goes too far to draw over t: leave it out")
    if _axis(runs) == "time" or over_layers:
        return depth
    found = times.get(group)
    if found is None or np.shape(found) != depth.shape:
        raise ValueError(
            f"{group} has {len(depth)} layers and stands beside what is over time: give their {len(depth)} times, got "
            f"{'none' if found is None else len(found)}"
        )
    return np.asarray(found, float)


def _values(run: xr.Dataset, name: str) -> Float[np.ndarray, " depth"]:
    if name not in run or run[name].dims != ("depth",):
        one_a_depth = ", ".join(str(each) for each, values in run.items() if values.dims == ("depth",))
        raise ValueError(f"{name} is not one number a depth: choose of {one_a_depth}")
    return run[name].values.astype(float)
