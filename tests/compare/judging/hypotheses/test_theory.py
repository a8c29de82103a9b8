"""P2, P7 and P9: the rate of a consensus, the order of mergers and the number of clusters."""

import numpy as np
import pytest

from tests.helpers.judged_runs import DEPTHS, RUNS, around, judged, measured, random, trajectory


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


def merging(pair, seed):
    """Four clusters on a circle at 0, 40, 100 and 190 degrees, two of which meet at depth 5."""
    angles = np.radians([0, 40, 100, 190])
    members = np.repeat(np.arange(4), 6)
    at = np.tile(angles, (DEPTHS, 1))
    at[5:, pair[1]] = at[5:, pair[0]]
    own = at[:, members] + 0.01 * random(7, seed).standard_normal(24)
    points = np.stack([np.cos(own), np.sin(own)], axis=-1)
    run = trajectory(points, axis="time", kind="SA", beta=30.0, causal=False, label=str(seed))
    labels = np.tile(members, (DEPTHS, 1))
    return run, measured(run, first=(1, 4)).assign(cluster_label=(("depth", "token"), labels))


@pytest.mark.parametrize(("pair", "verdict"), [((0, 1), "CONFIRMED"), ((1, 2), "REFUTED")])
def test_the_closest_pair_first(pair, verdict):
    assert (
        judged({"runs": [merging(pair, seed) for seed in range(RUNS)]}).row("P7", "runs").verdict == verdict
    )


def counted(power, beta, seed):
    """Tokens on a circle in about beta^power tight clusters at t = 30."""
    count = round(2 * beta**power + 0.3 * np.sin(seed))
    angles = 2 * np.pi * (np.arange(200) % count) / count
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return trajectory(
        np.stack([points, points]),
        [1.0, 30.0],
        "time",
        kind="SA",
        beta=beta,
        start="uniform",
        label=f"{beta} {seed}",
    )


@pytest.mark.parametrize(("power", "verdict"), [(0.5, "CONFIRMED"), (0.05, "REFUTED")])
def test_the_number_of_clusters_in_beta(power, verdict):
    runs = [counted(power, beta, seed) for beta in (16.0, 64.0, 256.0) for seed in range(3)]
    row = judged({"runs": [(run, measured(run)) for run in runs]}).row("P9", "runs")
    assert row.verdict == verdict
