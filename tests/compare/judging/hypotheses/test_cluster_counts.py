"""P9: the number of clusters in beta."""

import numpy as np
import pytest

from tests.helpers.judged_runs import judged, measured, trajectory


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
