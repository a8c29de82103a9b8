"""P7: the order of mergers."""

import numpy as np
import pytest

from tests.helpers.judged_runs import DEPTHS, RUNS, judged, measured, random, trajectory


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
