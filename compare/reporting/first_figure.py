"""The figure that the report opens with: theory and trained models on the same axes, and how sure that is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib import rcParams
from matplotlib.axes import Axes

from compare import plot
from compare.analyses.divergence import MODEL
from compare.judging.hypothesis import LEAST_LIFE
from compare.judging.verdicts import Verdict, Verdicts
from compare.plot.canvas import legend_below
from compare.plot.effects import forest_height
from compare.reporting.inline import inline
from compare.reporting.verdict_table import Column

MOST, MOST_MODELS = 4, 6
"""Groups of the theory and trained models that are drawn; more than that cannot be told apart."""
PANEL = 3.2
Measured = Mapping[str, Sequence[xr.Dataset]]


def first_figure(
    judged: Verdicts,
    groups: Sequence[Column],
    measured: Measured,
    tables: Mapping[str, Mapping[str, xr.Dataset]],
) -> tuple[Markup, ...]:
    """Cluster life over time, the number of clusters over time, and the effects on clusters of trained models.

    measured: the calibrated measurements of each group. tables: of each model; its table ``parting`` says what time
    its layers are worth, and a model without one is drawn only where no simulation is.
    """
    shown, times = _drawn(groups, measured, tables)
    rows = [row for row in judged.rows if row.hypothesis == "H1" and np.isfinite(row.effect)]
    rows = _of(rows, groups, "trained") or _of(rows, groups, "theory")
    high = max(PANEL, forest_height(rows)) if rows else PANEL
    panels = []
    if shown:
        panels += [
            inline(lambda axes: _life(axes, shown, times), "Do clusters form?", high, named=True),
            inline(lambda axes: _number(axes, shown, times), "Do they last, and merge?", high, named=True),
        ]
    if rows:
        panels.append(
            inline(lambda axes: plot.forest(rows, axes=axes), "How sure is that?", high, named=True)
        )
    return tuple(panels)


def _of(rows: Sequence[Verdict], groups: Sequence[Column], kind: str) -> list[Verdict]:
    """At most as many rows on groups of a kind as can be told apart."""
    names = {one.group for one in groups if one.table == kind}
    return [row for row in rows if row.group in names][:MOST_MODELS]


def _drawn(
    groups: Sequence[Column], measured: Measured, tables: Mapping[str, Mapping[str, xr.Dataset]]
) -> tuple[dict[str, Sequence[xr.Dataset]], dict[str, np.ndarray]]:
    """Groups that can stand on one axis, over time where there is a simulation, else over layers; and their times."""
    there = {
        kind: [one.group for one in groups if one.table == kind and _together(measured.get(one.group, ()))]
        for kind in ("theory", "trained")
    }
    theory = [name for name in there["theory"] if measured[name][0].attrs["axis"] == "time"]
    theory = [name for name in theory if _is_plain(measured[name])] or theory
    times = {
        name: found
        for name in there["trained"]
        if (found := _times(measured[name], tables.get(name, {}))) is not None
    }
    trained = [name for name in there["trained"] if name in times or not theory]
    chosen = [*theory[:MOST], *trained[:MOST_MODELS]]
    return {name: measured[name] for name in chosen}, times if theory else {}


def _together(runs: Sequence[xr.Dataset]) -> bool:
    """Whether runs can be averaged at each depth."""
    if not runs or _facts(runs[0]).get("depth") == "log t":
        return False
    return all(np.array_equal(run["depth"].values, runs[0]["depth"].values) for run in runs)


def _is_plain(runs: Sequence[xr.Dataset]) -> bool:
    """Whether simulations are the plainest of the theory: uniform tokens that all see each other, at one beta."""
    facts = [_facts(run) for run in runs]
    plain = all(
        each.get("start", "uniform") == "uniform" and not each.get("causal") and not each.get("operators")
        for each in facts
    )
    return plain and len({each.get("beta") for each in facts}) == 1


def _times(runs: Sequence[xr.Dataset], tables: Mapping[str, xr.Dataset]) -> np.ndarray | None:
    """The time t of SA that the layers of a model are worth, mean over the texts."""
    if "parting" not in tables:
        return None
    time = tables["parting"]["time"].sel(run=MODEL).mean("text")
    return time.values if time.sizes["depth"] == runs[0].sizes["depth"] else None


def _facts(run: xr.Dataset) -> Mapping[str, Any]:
    return json.loads(run.attrs["provenance"])


def _life(axes: Axes, shown: Measured, times: Mapping[str, np.ndarray]) -> None:
    plot.overlay(shown, "cluster_life_excess", times=times, axes=axes)
    axes.axhline(
        LEAST_LIFE,
        linestyle=":",
        color=rcParams["text.color"],
        label=f"matters from {LEAST_LIFE:g}",
    )
    axes.set_ylabel("excess of cluster life (ln r)")
    legend_below(axes, 2)


def _number(axes: Axes, shown: Measured, times: Mapping[str, np.ndarray]) -> None:
    plot.overlay(shown, "cluster_number", times=times, axes=axes)
    axes.set_ylim(bottom=0)
    legend_below(axes, 2)
