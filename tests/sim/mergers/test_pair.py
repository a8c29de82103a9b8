"""Pairs followed alone: batches whose rows start far apart, against quadrature on a fine grid."""

import numpy as np
import pytest

from sim.mergers.pair import follow

END = 1e-3
END_ANGLE = 2 * np.arcsin(END / 2)
PANELS = 20_000
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
STARTS = [3.1, 1.2, 0.05, 0.004]
MASSES = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.3], [1e-4, 0.4]])


def on_circle(angles):
    """Each pair at 0 and its angle, (pair, 2, 2)."""
    angles = np.stack([np.zeros_like(angles), angles], axis=1)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def exact_log_time(angle, first, second, beta, usa):
    """ln of the integral of d theta over the closing speed, from the angle to that of the chord."""
    edges = np.linspace(np.log(np.tan(END_ANGLE / 2)), np.log(np.tan(angle / 2)), PANELS + 1)
    half = np.diff(edges)[:, None] / 2
    z = edges[:-1, None] + half * (1 + NODES)  # theta = 2 atan(e^z), d theta = sin(theta) dz
    height = 1 + np.tanh(z)
    q = np.exp(-beta * height)
    by_first = second if usa else second / (first + second * q)
    by_second = first if usa else first / (second + first * q)
    top = 1 + np.tanh(edges[-1])
    return beta * top + np.log(
        np.sum(half * WEIGHTS * np.exp(beta * (height - top)) / (by_first + by_second))
    )


@pytest.mark.parametrize("usa", [False, True])
@pytest.mark.parametrize("beta", [0.5, 30.0, 3e3])
def test_a_batch_of_pairs_with_different_starts(beta, usa):
    """Panels are shared by a batch: they must go on until the last of its rows needs no more of them."""
    angles = np.array(STARTS)
    pairs = follow(on_circle(angles), MASSES, END, beta, usa)
    exact = [
        exact_log_time(angle, first, second, beta, usa) for angle, (first, second) in zip(STARTS, MASSES)
    ]
    # 12 nodes a panel: 1e-11 of the time; the smallest angle, known from coordinates, is good to 1e-13.
    np.testing.assert_allclose(pairs.log_elapsed[:, -1], exact, rtol=1e-12, atol=2e-11)
    np.testing.assert_allclose(pairs.closed[:, -1], angles - END_ANGLE, atol=1e-12)


@pytest.mark.parametrize("usa", [False, True])
def test_each_pair_of_a_batch_is_the_pair_alone(usa):
    together = follow(on_circle(np.array(STARTS)), MASSES, END, 200.0, usa)
    for k, angle in enumerate(STARTS):
        alone = follow(on_circle(np.array([angle])), MASSES[k : k + 1], END, 200.0, usa)
        # other panels, so another order of sums and another error of the quadrature
        np.testing.assert_allclose(together.log_elapsed[k, -1], alone.log_elapsed[0, -1], atol=2e-11)
        np.testing.assert_allclose(together.turned[k, -1], alone.turned[0, -1], atol=1e-11)
