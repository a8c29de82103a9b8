"""Charts of calibrated quantities over depth: of the runs of one group, or of several groups side by side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from compare.judging.chart import Axis, Chart, Defined, Level, Series
from compare.judging.hypothesis import LEAST_LIFE
from compare.judging.reach import percent

CALIBRATED = "calibrated"
NULL_BAND = (5, 95)
LONGEST_NAME = 34


def depth_axis(measured: xr.Dataset) -> Axis:
    """Layers by number, times on a logarithmic scale, log times as they are."""
    facts = json.loads(measured.attrs["provenance"])
    dynamics = str(facts.get("kind", "flow"))
    if measured.attrs["axis"] == "layer":
        return Axis("layer (0: embedding)", whole=True)
    if facts.get("depth") == "log t":
        return Axis(f"log t (t: time of {dynamics})")
    return Axis(f"time t of {dynamics}", scale="time")


def cluster_life(groups: Mapping[str, Sequence[xr.Dataset]], title: str) -> Chart:
    """Cluster life above its null: the mean over the runs of each group, with the band that its null draws fill."""
    first = next(iter(groups.values()))[0]
    null = first["cluster_life_null"].transpose("draw", "depth").values
    low, high = np.percentile(null - null.mean(axis=0), NULL_BAND, axis=0)
    band = Series(
        "null: one token rotation, 5 to 95 %",
        first["depth"].values,
        (low + high) / 2,
        low=low,
        high=high,
        thin=True,
        grey=True,
    )
    return Chart(
        title,
        depth_axis(first),
        Axis("excess of cluster life (ln radius)"),
        [band, *_lines(groups, "cluster_life_excess")],
        [Level(LEAST_LIFE, "smallest excess that matters")],
        defined=Defined(CALIBRATED, "cluster_life_excess"),
    )


def over_depth(
    groups: Mapping[str, Sequence[xr.Dataset]], name: str, title: str, label: str, **more: Any
) -> Chart:
    """One variable over depth: the mean of each group, its runs as thin lines."""
    axis = depth_axis(next(iter(groups.values()))[0])
    lines = _lines(groups, name)
    return Chart(title, axis, Axis(label, **more), lines, defined=Defined(CALIBRATED, name))


def mean_cosine(groups: Mapping[str, Sequence[xr.Dataset]], name: str) -> Chart:
    return over_depth(groups, "mean_cosine", f"{name}: mean cosine", "mean cosine of a pair", high=1.0)


def cluster_number(groups: Mapping[str, Sequence[xr.Dataset]], name: str) -> Chart:
    return over_depth(groups, "cluster_number", f"{name}: number of clusters", "clusters", low=0.0)


def energy(groups: Mapping[str, Sequence[xr.Dataset]], name: str) -> Chart:
    return over_depth(groups, "energy", f"{name}: energy at its own beta", "energy E (off the diagonal)")


def held_out_gap(groups: Mapping[str, Sequence[xr.Dataset]], name: str, least: float) -> Chart:
    """Gap V against the number of clusters, not whitened: each run late, and group means, first and late."""
    series: list[Series] = []
    for style, (group, runs) in enumerate(groups.items()):
        clusters = runs[0]["clusters"].values
        first = np.mean([run["held_out_gap"].values[0] for run in runs], axis=0)
        late = [run["held_out_gap"].values[1:].mean(axis=0) for run in runs]
        series += [
            Series(f"{group}: late", clusters, np.mean(late, axis=0), style),
            Series(f"{group}: first depth", clusters, first, style, grey=True),
            *(Series("", clusters, values, style, thin=True) for values in late),
        ]
    return Chart(
        f"{name}: gap between clusters",
        Axis("clusters k", whole=True),
        Axis("gap V (1: tokens at centres)"),
        series,
        [Level(least, "smallest gap that matters")],
        caption="Of the points as they are; what the verdict is on may be whitened. A continuum has at most 0.",
        defined=Defined(CALIBRATED, "held_out_gap"),
    )


def _lines(groups: Mapping[str, Sequence[xr.Dataset]], name: str) -> list[Series]:
    """Runs as thin lines, and the mean of each group whose runs have the same depths."""
    series: list[Series] = []
    for style, (group, runs) in enumerate(groups.items()):
        depth = runs[0]["depth"].values
        together = all(np.array_equal(run["depth"].values, depth) for run in runs)
        if together:
            series.append(Series(group, depth, np.mean([run[name].values for run in runs], axis=0), style))
        if len(runs) > 1:
            series += [
                Series(
                    "" if together or number else group,
                    run["depth"].values,
                    run[name].values,
                    style,
                    thin=True,
                )
                for number, run in enumerate(runs)
            ]
    return series


def plateaus(runs: Mapping[str, xr.Dataset], title: str) -> Chart:
    """The longest plateau of each run as a bar over depth."""
    names = [name if len(name) < LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}..." for name in runs]
    series = []
    for place, (name, run) in enumerate(runs.items()):
        depth = run["depth"].values
        start, end = int(run["plateau_start"]), int(run["plateau_end"])
        series.append(Series("depths recorded", depth[[0, -1]], [place, place], thin=True, grey=True))
        if start >= 0:
            share = float(run["plateau_share"])
            where = [depth[start], depth[end]]
            series.append(
                Series(
                    "longest plateau",
                    where,
                    [place, place],
                    names=[f"{name}: {percent(share)} of the depth"] * 2,
                )
            )
    return Chart(
        title,
        depth_axis(next(iter(runs.values()))),
        Axis("run", ticks=[str(place + 1) for place in range(len(names))]),
        series,
        caption="Depths between which the partition stays and its clusters do not loosen, and which have more of them "
        "than the depth with least.",
        defined=Defined(CALIBRATED, "plateau_share"),
    )


def follow(runs: Sequence[xr.Dataset], title: str) -> Chart | None:
    """How much more attention stays in a token's own cluster than mask and positions give, mean over heads."""
    usable = [run for run in runs if "attention_follow" in run and run["attention_follow"].notnull().any()]
    if not usable:
        return None
    series = []
    for number, run in enumerate(usable):
        excess = run["attention_follow"] - run["attention_follow_null"].mean("draw")
        label = "runs, mean over heads" if number == 0 else ""
        series.append(Series(label, run["depth"].values, excess.mean("head").values, thin=True))
    levels = [Level(0.0, "what mask and positions give")]
    return Chart(
        title,
        depth_axis(usable[0]),
        Axis("ln (attention within clusters / null)"),
        series,
        levels,
        defined=Defined(CALIBRATED, "attention_follow"),
    )


def plateau_lengths(runs: Sequence[xr.Dataset], title: str) -> Chart:
    """ln of the length of the first plateau against beta."""
    betas, lengths = [], []
    for run in runs:
        start, end = int(run["first_plateau_start"]), int(run["first_plateau_end"])
        if start < 0:
            continue
        depth = run["depth"].values
        is_log = json.loads(run.attrs["provenance"]).get("depth") == "log t"
        early, late = (depth[start], depth[end]) if is_log else np.log(np.maximum(depth[[start, end]], 1e-12))
        if late > early:
            lengths.append(late + np.log1p(-np.exp(early - late)))
            betas.append(float(run.attrs["beta"]))
    return Chart(
        title,
        Axis("beta"),
        Axis("ln of the length of the first plateau (units of t)"),
        [Series("runs", betas, lengths, points=True)],
        defined=Defined(CALIBRATED, "first_plateau_end"),
    )
