"""Rényi centres of causal attention: counts, lives and freezing, against simulation and integration."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_centre_counts_on_the_circle():
    beta, c, trials = 400.0, 3.0, 30
    delta = c / np.sqrt(beta)
    greedy, strong = [], []
    for trial in range(trials):
        angles = np.random.default_rng(trial).uniform(0, 2 * np.pi, 1000)
        points = np.stack([np.cos(angles), np.sin(angles)], 1)
        chords = np.linalg.norm(points[:, None] - points, axis=-1)
        strong.append(np.sum(np.all(np.triu(chords < delta, 1) == 0, axis=0)))
        kept = []
        for j in range(1000):
            if np.all(chords[j, kept] > delta):
                kept.append(j)
        greedy.append(len(kept))
    # Five standard errors; a few last gaps that only 1000 tokens leave open are within them.
    for counts, expected in [
        (strong, theory.strong_centre_count(beta, c, n=1000)),
        (greedy, theory.parking_count(beta, c)),
    ]:
        error = np.std(counts) / np.sqrt(trials)
        assert abs(np.mean(counts) - expected) < 5 * error + 0.01 * expected
    fewest, most = theory.centre_count_bounds(beta, c)
    assert fewest <= min(greedy)
    assert max(greedy) <= most
    np.testing.assert_allclose(
        theory.strong_centre_count(beta, c), np.pi / (2 * np.arcsin(delta / 2)), rtol=1e-12
    )


def test_centre_counts_grow_as_powers_of_beta():
    beta = np.array([1e6, 4e6])
    for d in (2, 3, 6):
        for counts in (theory.strong_centre_count(beta, 2.0, d), *theory.centre_count_bounds(beta, 2.0, d)):
            # Curvature corrections are of order 1/beta.
            np.testing.assert_allclose(counts[1] / counts[0], 2.0 ** (d - 1), rtol=1e-4)
    # Caps on S^2 have the share delta^2/4, exactly.
    np.testing.assert_allclose(theory.strong_centre_count(100.0, 3.0, 3), 4 * 100 / 9, rtol=1e-13)


def test_life_of_a_centre():
    time = theory.centre_lifetime(400.0, 4.0, 0.1, 5)
    delta = 0.2
    np.testing.assert_allclose(
        time * 5 * np.exp(400 * (np.cos(delta) - 1)) * np.sin(delta), 0.1 * delta, rtol=1e-12
    )
    # For large beta it no longer depends on beta.
    np.testing.assert_allclose(theory.centre_lifetime(1e8, 4.0, 0.1, 5), 0.02 * np.exp(8), rtol=1e-5)
    assert np.isnan(theory.centre_lifetime(400.0, 0.9, 0.1, 5))

    # A centre of rank 3 in causal attention, its elders just outside the distance that the theorem asks for.
    start = np.array([0.0, -0.5, delta * 1.2 + 1e-9])
    weights_of = np.tril(np.ones((3, 3)))

    def flow(t, theta):
        gaps = theta - theta[:, None]
        weights = weights_of * np.exp(400 * (np.cos(gaps) - 1))
        return (weights * np.sin(gaps)).sum(1) / weights.sum(1)

    life = float(theory.centre_lifetime(400.0, 4.0, 0.1, 3))
    run = solve_ivp(flow, (0, life), start, "DOP853", rtol=1e-10, atol=1e-14)
    assert np.all(np.abs(run.y[2] - start[2]) < 0.1 * delta)


def test_frozen_centres():
    limit = theory.frozen_weight_limit(8.0, 0.1)
    np.testing.assert_allclose(limit, np.exp(3 * 6.8**2 / 8) * 0.1 / 7, rtol=1e-14)
    for beta in (1e3, 1e6):
        assert theory.frozen_centres_hold(beta, 8.0, 0.1, limit)
        assert not theory.frozen_centres_hold(beta, 8.0, 0.1, 1e12)
        assert not theory.frozen_centres_hold(beta, 2.1, 0.1, 3.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.centre_lifetime(9.0, 4.0, 0.1, 1), "rank must be at least 2"),
        (lambda theory: theory.parking_count(1.0, 2.0), r"c beta\^\(-1/2\) must be below 1, got 2"),
        (lambda theory: theory.strong_centre_count(9.0, -1.0), "c must be finite and above 0, got -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
