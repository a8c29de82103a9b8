"""Which clusters set out together, and how far the strongest of the others is behind, by hand."""

import numpy as np
import pytest

from sim.mergers.isolation import MARGIN, Clusters, gather

ANGLES = np.array([0.0, 0.1, 0.5, 1.3])
MASSES = np.array([0.1, 0.2, 0.4, 0.3])
BETA = 1e3


def coupling(i, j, usa):
    """Q of the module's docstring."""
    chord = 2 * np.sin((ANGLES[j] - ANGLES[i]) / 2)
    heavy, light = max(MASSES[[i, j]]), min(MASSES[[i, j]])
    return -BETA * chord**2 / 2 + np.log(heavy if usa else heavy / light)


@pytest.mark.parametrize("usa", [False, True])
def test_the_strongest_of_the_others_is_told_by_coupling_and_chord(usa):
    """What `margins` are made of: the coupling of the runner-up, less the log of its chord to the nearest member."""
    points = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)
    group = gather(Clusters(points, MASSES.copy(), BETA, usa), np.array([0, 1]), {}, {})
    assert group.slots.tolist() == [0, 1]
    assert group.strongest == pytest.approx(coupling(0, 1, usa), abs=1e-12)
    # The third cluster is nearer to the second, by a chord of 2 sin(0.2).
    assert coupling(1, 2, usa) < group.strongest - MARGIN
    expected = coupling(1, 2, usa) - np.log(2 * np.sin(0.2))
    assert group.runner_up == pytest.approx(expected, abs=1e-10)


def test_without_others_there_is_no_runner_up():
    points = np.stack([np.cos(ANGLES[:2]), np.sin(ANGLES[:2])], axis=-1)
    assert gather(Clusters(points, MASSES[:2], BETA, False), np.array([0, 1]), {}, {}).runner_up == -np.inf
