"""P2, consensus at the rate 2: how fast 1 - cos falls once all tokens are close."""

import numpy as np

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
from compare.judging.hypothesis import RUNS, THEORY, Hypothesis, Threshold
from compare.metrics.calibrated.energy import relative_noise
from compare.metrics.pairwise import mean_gap

RATE = 2.0
LEAST_DEPTHS = 3
NOISES = 100


def cone_collapses(group: Group, at: Thresholds) -> Evidence:
    """P2: -d/dt ln(1 - <x_i, x_j>), the mean over pairs, where it is below near/(1 + beta); the theory says 2."""
    runs = require_theory(group, at, causal=False)
    chosen, rate = finite(
        runs, lambda run: collapse_rate(run, at["near"]), at, " that are recorded at 3 depths of a consensus"
    )
    return Evidence(
        (
            Claim(
                "rate at which 1 - cos falls",
                "1/time",
                rate,
                low=RATE * (1 - at["miss"]),
                high=RATE * (1 + at["miss"]),
            ),
        ),
        labels(chosen),
    )


def collapse_rate(run: MeasuredRun, near: float) -> float:
    """Least squares slope over the depths in the cone; NaN for fewer than 3 of them above the noise of the record."""
    gap = mean_gap(run.points)
    inside = (gap < near / (1 + run.beta)) & (gap > (NOISES * relative_noise(run.facts)) ** 2)
    if inside.sum() < LEAST_DEPTHS:
        return np.nan
    return float(-np.polyfit(run.clock[inside], np.log(gap[inside]), 1)[0])


HYPOTHESIS = Hypothesis(
    id="P2",
    statement="Tokens inside a hemisphere meet at the rate 2: 1 - cos falls as e^(-2t)",
    source="2312.10794, Theorem 6.3, with the sharp rate",
    applies_to=f"{THEORY} that reach a consensus",
    statistic="rate at which 1 - cos falls, within a consensus",
    unit="1/time",
    null="none: the theory names the number",
    smallest=Threshold("miss", 0.1, 0.05, 0.2, "largest relative miss of the rate"),
    rule="95 % interval over runs within 10 % of 2",
    refuted_by="95 % interval outside of that",
    others=(
        Threshold("near", 0.05, 0.02, 0.1, "mean 1 - cos, times 1 + beta, below which there is a consensus"),
        RUNS,
    ),
    evidence=cone_collapses,
    chart=lambda behind: curves.mean_cosine(behind.own, behind.group),
)
