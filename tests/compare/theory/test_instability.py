"""Growth rates, rings and coarsening against printed values, SciPy's Bessel functions and finite differences."""

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.special import iv

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


# beta of the jumps 1 -> 2, 2 -> 3, ... on the circle; printed to 16 digits.
JUMPS = [
    1.044456862107774,
    3.165434442700568,
    6.211298379432043,
    10.22848316298594,
    15.23627672852054,
    21.2404519636416,
]


def test_printed_growth_rates():
    # Printed to 16 digits.
    np.testing.assert_allclose(
        theory.growth_rate(3, 5.0, kind="USA", clock="survey"), 18.59607030447205, rtol=1e-14
    )
    np.testing.assert_allclose(
        theory.growth_rate([2, 4], [5.0, 9.0]), [0.5141173961458926, 0.7044970292995967], rtol=1e-14
    )


def test_growth_rates_are_bessel_ratios():
    degree, beta = np.arange(1, 7), np.array([[0.3], [4.0], [40.0]])
    for d in (2, 3, 5, 8):
        order = d / 2 - 1
        factor = degree * (degree + d - 2) / beta
        sa = factor * iv(degree + order, beta) / iv(order, beta)
        # SciPy's own accuracy, about 1e-14.
        np.testing.assert_allclose(theory.growth_rate(degree, beta, d), sa, rtol=1e-12)
        mean = float(mpmath.gamma(d / 2)) * (2 / beta) ** order * iv(order, beta)
        usa = theory.growth_rate(degree, beta, d, "USA", "survey")
        np.testing.assert_allclose(usa, sa * mean, rtol=1e-12)
        slow = theory.growth_rate(degree, beta, d, "USA")
        np.testing.assert_allclose(slow, usa * np.exp(-beta), rtol=1e-12)


@pytest.mark.parametrize(
    ("degree", "beta", "d"), [(1, 1.0, 1024), (2, 2700.0, 4096), (1400, 1e6, 2), (5, 1e-6, 3)]
)
def test_growth_rates_where_bessel_functions_underflow(degree, beta, d):
    with mpmath.workdps(40):
        order = mpmath.mpf(d) / 2 - 1
        ratio = mpmath.besseli(order + degree, beta) / mpmath.besseli(order, beta)
        exact = float(degree * (degree + d - 2) / mpmath.mpf(beta) * ratio)
    # A product of up to 1400 ratios.
    np.testing.assert_allclose(theory.growth_rate(degree, beta, d), exact, rtol=1e-12)


def test_growth_is_the_linearised_flow():
    # Grid of 256 tokens, one harmonic of size 1e-5 on it: the speed projects back on it at the linear rate.
    tokens, size = 256, 1e-5
    grid = 2 * np.pi * np.arange(tokens) / tokens
    for degree, beta, kind in [(3, 5.0, "USA"), (2, 5.0, "SA"), (4, 9.0, "SA")]:
        shape = np.sin(degree * grid)
        gaps = grid + size * shape - (grid + size * shape)[:, None]
        weights = np.exp(beta * (np.cos(gaps) - 1))
        total = weights.sum(1) if kind == "SA" else tokens
        speed = (weights * np.sin(gaps)).sum(1) / total
        rate = 2 * (speed @ shape) / tokens / size
        # The next order is relative size^2 beta^2, and rounding 1e-16 / size.
        np.testing.assert_allclose(rate, theory.growth_rate(degree, beta, 2, kind), rtol=1e-7)


def test_counts_and_thresholds():
    jumps = np.array([theory.cluster_threshold(k) for k in range(1, 7)])
    np.testing.assert_allclose(jumps, JUMPS, rtol=1e-14)
    np.testing.assert_array_equal(theory.cluster_count(jumps * (1 - 1e-9)), np.arange(1, 7))
    np.testing.assert_array_equal(theory.cluster_count(jumps * (1 + 1e-9)), np.arange(2, 8))
    np.testing.assert_array_equal(theory.cluster_count([0.0, 5.0, 7.0]), [1, 3, 4])
    beta = np.array([1e3, 1e4, 1e5, 1e6])
    assert np.all(np.abs(theory.cluster_count(beta) - np.sqrt(2 * beta)) < 1)


def test_critical_beta():
    critical = [theory.critical_beta(d) for d in (3, 8, 64, 512, 1024)]
    np.testing.assert_allclose(critical[:2], [1.8162, 5.2511], rtol=0, atol=5e-5)
    np.testing.assert_allclose(critical[2:4], [42.618, 341.288], rtol=0, atol=5e-4)
    np.testing.assert_allclose(critical[4], 682.62, rtol=0, atol=5e-3)
    # (2/3)(d + 2), up to a constant that the values above put near -1.38.
    np.testing.assert_allclose(theory.critical_beta(4096), 2 / 3 * 4098 - 1.38, rtol=0, atol=0.01)
    np.testing.assert_array_equal(
        theory.cluster_count(np.array(critical[2]) * np.array([0.999, 1.001]), 64), [1, 2]
    )


def test_limits_of_growth():
    best = int(theory.cluster_count(1e6))
    # The correction is of order 1/beta.
    np.testing.assert_allclose(theory.growth_rate(best, 1e6), 2 / np.e, rtol=1e-5)
    np.testing.assert_allclose(theory.onset_time(1000, 1e6), np.e / 4 * np.log(1000), rtol=1e-5)
    # Without attention only the mean moves, at rate (d-1)/d.
    np.testing.assert_allclose(theory.growth_rate([1, 2], 0.0, 3), [2 / 3, 0], rtol=1e-13, atol=1e-29)
    assert theory.growth_rate(1, 800.0, 2, "USA", "survey") == np.inf


def test_predicted_angles():
    rng = np.random.default_rng(0)
    angles = np.concatenate([centre + 1e-3 * rng.standard_normal(200) for centre in (0.4, 0.4 + np.pi)])
    # Spread 1e-3 over 20 standard draws, and the mean of 400.
    np.testing.assert_allclose(theory.cluster_angles(angles, 2), [0.4, 0.4 + np.pi], rtol=0, atol=3e-4)
    turned = theory.cluster_angles(angles + 0.3, 2)
    np.testing.assert_allclose(turned, theory.cluster_angles(angles, 2) + 0.3, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.growth_rate(0, 1.0), "degree must be a whole number of at least 1, got 0"),
        (lambda theory: theory.growth_rate(1, 1.0, 1), "d must be a whole number of at least 2, got 1"),
        (lambda theory: theory.cluster_count(-1.0), "beta must be finite and at least 0, got -1"),
        (lambda theory: theory.cluster_threshold(0), "count must be at least 1, got 0"),
        (lambda theory: theory.cluster_angles(np.zeros(3), 0), "count must be at least 1 cluster, got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
