"""The staircase of glued clusters: table, plateaus and limits."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


ANGLES = np.cumsum([0, 0.15, 0.35, 0.6, 1.1])


def test_staircase_of_the_table():
    printed = [
        [4.569, 8.698, 11.471, 12.930],
        [5.723, 9.997, 12.625, 13.906],
        [6.143, 10.381, 12.876, 14.042],
    ]
    steps = theory.staircase([1e3, 1e6, 1e12], ANGLES)
    # Three decimals are printed; two entries (9.9965, 10.3805 here) differ by up to 6e-4, over half a unit.
    np.testing.assert_allclose(steps.jump_times, printed, rtol=0, atol=6e-4)
    np.testing.assert_allclose(np.cumsum(steps.plateau_limits[0]), [6.25, 10.25, 12.5, 13.5], rtol=1e-15)
    np.testing.assert_allclose(steps.heights[0], [1 / 4, 1 / 3, 1 / 2, 1], rtol=1e-15)
    np.testing.assert_array_equal(steps.pairs, 0)


def test_first_plateau_is_the_integral_of_its_equation():
    beta = 1e4
    radius = float(theory.collision_radius(beta))
    np.testing.assert_allclose(radius, 1 / np.sqrt(beta * np.log(beta)), rtol=1e-15)
    time = quad(lambda u: 25 / (2 * np.log(beta) * np.sin(u)), radius, 0.15, epsabs=0, epsrel=1e-12)[0]
    np.testing.assert_allclose(theory.staircase(beta, ANGLES).jump_times[0], time, rtol=1e-11)


def test_staircase_that_keeps_masses():
    steps = theory.staircase(1e8, ANGLES, keep_masses=True)
    np.testing.assert_allclose(steps.plateau_limits, 25 / (2 * np.array([2, 3, 4, 5])), rtol=1e-15)
    np.testing.assert_allclose(steps.heights, np.array([7, 11, 17, 25]) / 25, rtol=1e-15)
    # Each merger of masses a and b lifts the energy by 2 m_a m_b.
    np.testing.assert_allclose(np.diff(steps.heights), 2 * np.array([2, 3, 4]) / 25, rtol=1e-14)
    # The second gap is measured from the mean of the first pair.
    gap, radius = 0.35 + 0.075, float(theory.collision_radius(1e8))
    length = 25 / 3 * np.log(np.tan(gap / 2) / np.tan(radius / 2)) / np.log(1e8)
    np.testing.assert_allclose(steps.plateau_lengths[1], length, rtol=1e-13)


def test_staircase_converges_slowly_and_merges_at_once_inside_the_radius():
    steps = theory.staircase(10.0 ** np.array([10, 30, 100, 300]), ANGLES)
    errors = np.abs(steps.plateau_lengths - steps.plateau_limits)
    assert np.all(errors[-1] < 0.06)
    close = theory.staircase(1e3, np.array([0.0, 0.5, 0.5001]))
    assert close.jump_times[0] == 0
    np.testing.assert_array_equal(close.pairs, [1, 0])


def test_plateau_limits():
    np.testing.assert_allclose(theory.plateau_limit(0.5, 0.5), 0.25, rtol=1e-15)
    # Five tokens, the first pair, n times slower on the 1/n^2 clock.
    np.testing.assert_allclose(5 * theory.plateau_limit(0.2, 0.2, "USA"), 6.25, rtol=1e-15)
    np.testing.assert_allclose(theory.plateau_limit(0.1, 0.3), 0.15, rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.staircase(1.0, ANGLES), "beta must be finite and above 1, got 1"),
        (lambda theory: theory.staircase(9.0, ANGLES[::-1]), "angles must be at least 2 increasing radians"),
        (lambda theory: theory.staircase(9.0, 2 * ANGLES), "angles must be at least 2 increasing radians"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
