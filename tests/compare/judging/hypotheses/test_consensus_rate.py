"""P2: the rate of a consensus."""

import numpy as np
import pytest

from tests.helpers.judged_runs import around, judged, measured, random, trajectory


def towards(rate, beta=1.0, seed=0, tokens=12, depths=30):
    """Points whose distances to one another fall as e^(-rate t / 2)."""
    directions = random(5, seed).standard_normal((tokens, 3)) * [1, 1, 0]
    times = np.linspace(0, 8, depths)
    points = np.array([0, 0, 1.0]) + 0.5 * np.exp(-rate / 2 * times)[:, None, None] * directions
    return trajectory(
        points, times, "time", kind="SA", beta=beta, causal=False, start="caps", label=f"{rate} {seed}"
    )


@pytest.mark.parametrize(("rate", "verdict"), [(2.0, "CONFIRMED"), (1.0, "REFUTED"), (3.0, "REFUTED")])
def test_the_rate_of_a_consensus(rate, verdict):
    runs = [towards(rate * factor, seed=place) for place, factor in enumerate(around(1, 0.01))]
    row = judged({"runs": [(run, measured(run)) for run in runs]}).row("P2", "runs")
    assert row.verdict == verdict
    assert abs(row.effect - rate) < 0.02 * rate  # the cone is not yet flat where 1 - cos is 1/40
