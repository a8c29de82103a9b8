"""P2: once all tokens are close, do they meet at the rate that the theory gives?"""

import numpy as np

from compare.judging.evidence import Claim, Evidence
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
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
