"""H1, several tight clusters form over depth, as in the theory: cluster life above that of rotated tokens."""

import math
from dataclasses import replace

import numpy as np

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence
from compare.judging.group import (
    Group,
    MeasuredRun,
    Thresholds,
    finite,
    labels,
    require_dynamics,
    require_tokens,
)
from compare.judging.hypothesis import (
    ABOVE,
    BELOW,
    CLOSE,
    CLUSTER_VARIANTS,
    DYNAMICS,
    EVERY_RUN,
    LEAST_LIFE,
    LIFE_UNIT,
    MATTERS,
    ROTATION,
    SEEN,
    Hypothesis,
    Threshold,
)
from compare.judging.limits import CLUSTERS, HOLD, confirming, within_reach
from compare.metrics.calibrated.thresholds import BASE

LATE, GAIN = "late excess of cluster life", "gain of late cluster life over depth 0"
GROWN = 0.1
MET = f"late in every run all tokens lie within {BASE.cluster.floor:g} of their mean, which is one cluster"


def clusters_form(group: Group, at: Thresholds) -> Evidence:
    """H1: the excess of cluster life over the common token rotation, late and against depth 0, both above delta.

    Refuted only where clusters of the size that matters, planted in the same runs, are confirmed, or where all tokens
    have met in one point, of which nothing is left to plant in.
    """
    found = _formed(group, at)
    if all(map(_has_met, group.runs)):
        return replace(found, note=MET)
    p_of = confirming(_formed, group, at, HOLD)
    return within_reach(found, group, at, f"{CLUSTERS} tight clusters", p_of, "late_closeness")


def _has_met(run: MeasuredRun) -> bool:
    """Whether over the last third of the depths the tokens stay, root mean square, within the least radius."""
    length = run["mean_length"]
    return bool(np.all(1 - length[-math.ceil(len(length) / 3) :] ** 2 <= BASE.cluster.floor**2))


def _formed(group: Group, at: Thresholds) -> Evidence:
    require_dynamics(group, at)
    runs, late = finite(
        require_tokens(group, at), lambda run: run.number("late_excess", at), at, " with a cluster life"
    )
    gain = np.array([run.number("gain", at) for run in runs])
    lengths = np.mean([run["mean_length"][[0, -1]] for run in runs], axis=0)
    return Evidence(
        (
            Claim(LATE, LIFE_UNIT, late, low=at["delta"]),
            Claim(GAIN, LIFE_UNIT, gain, low=at["delta"]),
        ),
        labels(runs),
        note=f"beside it, the length of the mean goes from {lengths[0]:.2f} to {lengths[1]:.2f}"
        + (", as for consensus or a growing common mean" if lengths[1] - lengths[0] > GROWN else ""),
    )


HYPOTHESIS = Hypothesis(
    id="H1",
    statement="Several tight clusters form over depth",
    source="post, Group A; 2312.10794",
    applies_to=EVERY_RUN,
    statistic="excess of cluster life: late, and as a gain over depth 0",
    unit=LIFE_UNIT,
    null=ROTATION,
    smallest=Threshold(
        "delta", LEAST_LIFE, 0.15, 0.35, "least excess that matters; 0.25 is a factor 1.28 in radius"
    ),
    rule=f"both: {ABOVE}",
    refuted_by=f"either: {BELOW}, {SEEN}",
    others=(CLOSE, MATTERS, *DYNAMICS),
    evidence=clusters_form,
    variants=CLUSTER_VARIANTS,
    chart=lambda behind: curves.cluster_life(behind.own, f"{behind.group}: cluster life over depth"),
)
