"""Escape rates of equally spaced clusters, against printed values and the Jacobian."""

from typing import Any

import numpy as np
import pytest

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_printed_escape_rates():
    np.testing.assert_allclose(theory.escape_rates(2, 3.0), [0.00494524631326954867], rtol=1e-13)
    np.testing.assert_allclose(theory.escape_rate(2, 3.0), 1 - np.tanh(3), rtol=1e-13)
    # Printed to 12 to 15 digits.
    np.testing.assert_allclose(theory.escape_rates(3, 4.0), [0.025898505899256] * 2, rtol=1e-12)
    four = [0.00222085874821, 0.0044416565915346, 0.00222085874821]
    np.testing.assert_allclose(theory.escape_rates(4, 9.0), four, rtol=2e-12)
    low, high = 0.00030917249467649, 0.00080942408566227
    np.testing.assert_allclose(theory.escape_rates(5, 16.0), [low, high, high, low], rtol=1e-12)
    usa = [0.00055535173337993, 0.0011106882367801, 0.00055535173337993]
    np.testing.assert_allclose(theory.escape_rates(4, 9.0, "USA"), usa, rtol=1e-12)


def test_escape_rates_are_the_jacobian():
    for count, beta, kind in [(3, 2.0, "USA"), (5, 3.0, "SA"), (6, 8.0, "SA")]:
        ring = 2 * np.pi * np.arange(count) / count

        def flow(theta, beta=beta, kind=kind, count=count):
            gaps = theta - theta[:, None]
            weights = np.exp(beta * (np.cos(gaps) - 1))
            return (weights * np.sin(gaps)).sum(1) / (weights.sum(1) if kind == "SA" else count)

        steps = 1e-5 * np.eye(count)
        jacobian = np.array([(flow(ring + step) - flow(ring - step)) / 2e-5 for step in steps])
        rates = np.sort(np.append(theory.escape_rates(count, beta, kind), 0.0))
        # Central differences: 1e-10 of curvature and 1e-11 of rounding.
        np.testing.assert_allclose(np.sort(np.linalg.eigvals(jacobian).real), rates, rtol=0, atol=1e-8)


def test_life_of_the_first_ring():
    # Printed e-folds of the ring with K = sqrt(2 beta): 93, 192, 213, 246, 257.
    lives = [
        1 / float(theory.escape_rate(k, b)) for k, b in [(4, 8), (8, 32), (10, 50), (20, 200), (80, 3200)]
    ]
    assert [round(life) for life in lives] == [93, 192, 213, 246, 257]
    limit = 4 * (2 * np.pi**2 - 1) * np.exp(-(np.pi**2))
    assert abs(limit - 0.003877) < 5e-7
    # The correction is of order 1/beta.
    np.testing.assert_allclose(theory.escape_rate(2000, 2e6), limit, rtol=1e-4)
    even = theory.escape_rates(6, np.array([1.0, 4.0]))
    assert even.shape == (2, 5)
    np.testing.assert_allclose(theory.escape_rate(6, np.array([1.0, 4.0]), mode=2), even[:, 1], rtol=1e-15)
    survey = theory.escape_rates(6, 4.0, "USA", "survey")
    np.testing.assert_allclose(survey, np.exp(4) * theory.escape_rates(6, 4.0, "USA"), rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.escape_rates(1, 1.0), "count must be at least 2 clusters, got 1"),
        (lambda theory: theory.escape_rate(4, 1.0, mode=4), "mode must be in 1..3 for 4 clusters, got 4"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
