"""Two clusters: exact times against printed values and integration, the closest-pair law, and the staircase."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


# beta, angle, stop angle; then times of USA, and of SA with first mass 1/2, 1/4, 1/10.
CASES = np.array([(4, np.pi / 2, 0.01), (1, 2, 1e-3), (20, 1, 1e-3), (9, np.pi / 2, 1e-3), (100, 0.5, 1e-3)])


USA = [
    19.362223215852126722,
    10.046581953083459124,
    774.48545069554196021,
    933.42631488580766212,
    9868.7984825979410981,
]


SA = {
    0.5: [
        12.3302661245091093,
        9.04525352670456294,
        390.740885312904556,
        470.513608631008203,
        4937.51711660484976,
    ],
    0.25: [
        9.64773901242743184,
        8.72367635849554424,
        237.405785525121119,
        285.533352979852809,
        2965.1741495111438,
    ],
    0.1: [
        6.94339752729703871,
        8.32930345799597880,
        91.3568605751840775,
        109.355820847873033,
        1088.84083259635801,
    ],
}


# All are known to 18 digits or more; the sums behind them lose about ten roundings of float64.
PRINTED = 5e-15


def closing_speed(theta, beta, first, second, kind):
    """-theta' of a pair on the metastability clock, straight from the weighted equations."""
    q = np.exp(-2 * beta * np.sin(theta / 2) ** 2)
    if kind == "USA":
        return (first + second) * q * np.sin(theta)
    return (second * q / (first + second * q) + first * q / (second + first * q)) * np.sin(theta)


ANGLES = np.cumsum([0, 0.15, 0.35, 0.6, 1.1])


def test_printed_times():
    beta, angle, stop = CASES.T
    np.testing.assert_allclose(theory.merge_time(beta, angle, stop, kind="USA"), USA, rtol=PRINTED)
    for mass, times in SA.items():
        np.testing.assert_allclose(
            theory.merge_time(beta, angle, stop, (mass, 1 - mass)), times, rtol=PRINTED
        )
    np.testing.assert_allclose(theory.merge_time(5, 1, 0.25, kind="USA"), 4.15963372466647266, rtol=PRINTED)
    np.testing.assert_allclose(theory.merge_time(5, 1, 0.25, (0.6, 0.4)), 2.73055861651682943, rtol=PRINTED)
    np.testing.assert_allclose(theory.causal_merge_time(4, 2, 0.01), 89.0081176357809762, rtol=PRINTED)


def test_printed_antipodal_escapes():
    times = theory.antipodal_escape_time([2, 2, 5, 5], [1e-2, 1e-6, 1e-2, 1e-6])
    exact = [132.454608275947924, 388.492417939682658, 43127.4941553803014, 144566.438114340219]
    np.testing.assert_allclose(times, exact, rtol=PRINTED)
    # Where pi - offset loses no digits, it is the plain time.
    np.testing.assert_allclose(
        theory.antipodal_escape_time(2, 1.0), theory.merge_time(2, np.pi - 1.0), rtol=1e-14
    )
    # Each factor of the offset costs its logarithm over the linear rate; the rest is of order offset^2.
    waits = np.diff(theory.antipodal_escape_time(3.0, [1e-6, 1e-9]))
    np.testing.assert_allclose(waits, np.log(1e3) / theory.escape_rate(2, 3.0), rtol=1e-9)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_times_are_the_quadrature(kind):
    for beta, angle, stop, first, second in [
        (0.0, 3.0, 1e-3, 0.2, 0.8),
        (7.0, 2.5, 0.5, 0.05, 0.15),
        (60.0, 0.9, 0.02, 0.99, 0.01),
        (1e5, 0.01, 0.001, 0.3, 0.7),
    ]:
        exact = quad(
            lambda z, beta=beta, first=first, second=second: (
                1 / (np.cosh(z) * closing_speed(2 * np.arctan(np.exp(-z)), beta, first, second, kind))
            ),
            -np.log(np.tan(angle / 2)),
            -np.log(np.tan(stop / 2)),
            epsabs=0,
            epsrel=1e-12,
            limit=500,
        )[0]
        # The quadrature's own tolerance.
        np.testing.assert_allclose(
            theory.merge_time(beta, angle, stop, (first, second), kind), exact, rtol=2e-12
        )


@pytest.mark.parametrize(
    ("beta", "angle", "first", "second"),
    [(0.0, 2.0, 0.2, 0.8), (7.0, 2.5, 0.9, 0.1), (60.0, 0.9, 0.05, 0.3), (1e5, 0.01, 0.3, 0.7)],
)
def test_causal_times_are_the_quadrature(beta, angle, first, second):
    """The second cluster alone moves, and the heavier it is beside the first, the longer it takes."""

    def slowness(z):  # theta = 2 atan(e^-z)
        theta = 2 * np.arctan(np.exp(-z))
        q = np.exp(-2 * beta * np.sin(theta / 2) ** 2)
        return (second + first * q) / (first * q * np.sin(theta) * np.cosh(z))

    stop = angle / 20
    limits = (-np.log(np.tan(angle / 2)), -np.log(np.tan(stop / 2)))
    exact = quad(slowness, *limits, epsabs=0, epsrel=1e-12, limit=500)[0]
    # The quadrature's own tolerance.
    np.testing.assert_allclose(
        theory.causal_merge_time(beta, angle, stop, (first, second)), exact, rtol=2e-12
    )


def test_integration_ends_at_the_stop_angle():
    for kind, masses in [("SA", (0.3, 0.7)), ("USA", (0.3, 0.7)), ("SA", (0.5, 0.5))]:
        end = float(theory.merge_time(6.0, 1.5, 0.1, masses, kind))
        run = solve_ivp(
            lambda t, x, kind=kind, masses=masses: -closing_speed(x, 6.0, masses[0], masses[1], kind),
            (0, end),
            [1.5],
            "DOP853",
            rtol=1e-12,
            atol=1e-14,
        )
        # The angle falls at rate one at the end, so it has the integrator's error in time: 1e-12 of about 50.
        np.testing.assert_allclose(run.y[0, -1], 0.1, rtol=1e-9)


def test_equal_masses_are_the_curve_of_two_tokens():
    beta = np.array([0.0, 1.0, 30.0, 500.0, 1e5])
    times = theory.log_merge_time(beta, np.pi / 2, 1e-3)
    # 1 - cos(1e-3) has lost 7 digits, and its logarithm is a term of the time.
    np.testing.assert_allclose(times, theory.gamma_log_time(np.cos(1e-3), 2, beta), rtol=1e-9)
    half = (
        theory.merge_time(3, 1.2, kind="USA") / 2 + (np.arctanh(np.cos(1e-3)) - np.arctanh(np.cos(1.2))) / 2
    )
    np.testing.assert_allclose(theory.merge_time(3, 1.2), half, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1e6), st.floats(0.01, 3.1), st.floats(0.001, 0.99), st.floats(0.01, 0.99))
def test_masses(beta, angle, share, mass):
    stop = angle * share
    swapped = theory.log_merge_time(beta, angle, stop, (1 - mass, mass))
    here = theory.log_merge_time(beta, angle, stop, (mass, 1 - mass))
    # A logarithm of up to 2e6 keeps an absolute 1e-16 of itself.
    np.testing.assert_allclose(swapped, here, rtol=1e-12, atol=1e-12)
    alike = theory.log_merge_time(beta, angle, stop, (mass, 1 - mass), "USA")
    np.testing.assert_allclose(
        alike, theory.log_merge_time(beta, angle, stop, kind="USA"), rtol=1e-12, atol=1e-12
    )
    equal = theory.log_merge_time(beta, angle, stop)
    assert here <= equal + 1e-12 * abs(equal) + 1e-12
    doubled = theory.log_causal_merge_time(beta, angle, stop)
    np.testing.assert_allclose(doubled, equal + np.log(2), rtol=1e-12, atol=1e-12)


def test_times_grow_and_scale():
    angles = np.linspace(0.1, 3.1, 31)
    for kind in ("SA", "USA"):
        times = theory.log_merge_time(np.array([[0.0], [50.0], [1e6]]), angles, 0.05, (0.2, 0.8), kind)
        assert np.all(np.diff(times, axis=-1) > 0)
    # A pair that holds a tenth of the tokens: ten times slower under USA, unchanged under SA.
    few = theory.merge_time(4, 1, masses=(0.03, 0.07), kind="USA")
    np.testing.assert_allclose(few, 10 * theory.merge_time(4, 1, kind="USA"), rtol=1e-14)
    np.testing.assert_allclose(
        theory.merge_time(4, 1, masses=(0.03, 0.07)), theory.merge_time(4, 1, masses=(0.3, 0.7)), rtol=1e-14
    )
    survey = theory.log_merge_time(5, 1, kind="USA", clock="survey")
    np.testing.assert_allclose(theory.log_merge_time(5, 1, kind="USA") - survey, 5, rtol=1e-14)
    assert theory.merge_time(5, 1, 1) == 0
    assert theory.merge_time(1e4, 1) == np.inf
    # No attention: both kinds drift at rate sin(theta).
    drift = np.log(np.tan(0.5) / np.tan(0.005))
    np.testing.assert_allclose(theory.merge_time(0, 1, 0.01, (0.1, 0.9)), drift, rtol=1e-14)
    np.testing.assert_allclose(theory.merge_time(0, 1, 0.01, kind="USA"), drift, rtol=1e-14)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_closest_pair_law_is_second_order(kind):
    beta = np.array([100.0, 400.0, 1600.0, 6400.0])
    for angle in (0.7, 1.5, 2.2):
        law = theory.closest_pair_log_time(beta, angle, 0.3, 0.7, kind)
        error = np.abs(theory.log_merge_time(beta, angle, 1e-4, (0.3, 0.7), kind) - law)
        # The next term of the expansion, half as much again for the rest of it; rounding of ln t.
        bound = 1.5 * (8 * np.cos(angle) ** 2 + 2 * np.sin(angle) ** 2) / (beta * np.sin(angle) ** 2) ** 2
        assert np.all(error < bound + 1e-11)


def test_closest_of_three_clusters():
    # Weighted clusters on the circle, time counted in the unit of the fastest pull so that no step is long.
    masses, start, beta = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.7, 1.9]), 200.0

    unit = 2 * beta * np.sin(0.35) ** 2

    for kind in ("SA", "USA"):

        def flow(s, state, kind=kind):
            theta = state[:3]
            gaps = theta - theta[:, None]
            exponents = -2 * beta * np.sin(gaps / 2) ** 2
            fastest = exponents[~np.eye(3, dtype=bool)].max()
            weights = masses * np.exp(exponents)
            total = weights.sum(1) if kind == "SA" else np.ones(3)
            scaled = masses * np.exp(np.minimum(exponents - fastest, 0.0))
            return np.append((scaled * np.sin(gaps)).sum(1) / total, np.exp(-fastest - unit))

        # By s = 12 the pair has met, and 1e-12 of the time is left.
        run = solve_ivp(flow, (0, 12), np.append(start, 0.0), "DOP853", rtol=1e-11, atol=1e-13)
        log_time = np.log(run.y[3, -1]) + unit
        law = theory.closest_pair_log_time(beta, 0.7, 0.5, 0.3, kind)
        # The next term of the expansion: (8 cos^2 + 2 sin^2)/(beta sin^2)^2 = 8e-4.
        assert abs(log_time - law) < 1.2e-3


def test_displacement():
    moved = theory.merge_displacement([10, 100, 1000], 1.0, (0.7, 0.3))
    # Printed to 18 digits.
    np.testing.assert_allclose(
        moved, [0.22277520300918756, 0.176330920280882954, 0.161854202669114886], rtol=1e-14
    )
    # The correction to the limit falls as beta^(-1/2).
    limit = 0.09 / 0.58
    assert abs(limit - 0.155172) < 1e-6
    gaps = theory.merge_displacement(np.array([1e4, 1e6, 1e8]), 1.0, (0.7, 0.3)) - limit
    np.testing.assert_allclose(gaps[1:] / gaps[:-1], 0.1, rtol=1e-3)
    for beta, angle in [(0.0, 3.0), (5.0, 2.0), (3000.0, 0.5)]:
        first, second = 0.7, 0.3
        with mpmath.workdps(20):

            def share(x, beta=beta, first=first, second=second):
                q = mpmath.e ** (beta * (mpmath.cos(x) - 1))
                return (second**2 + first * second * q) / (first**2 + second**2 + 2 * first * second * q)

            exact = float(str(mpmath.quad(share, mpmath.linspace(0, angle, 30))))
        np.testing.assert_allclose(theory.merge_displacement(beta, angle, (first, second)), exact, rtol=1e-13)
        other = theory.merge_displacement(beta, angle, (second, first))
        np.testing.assert_allclose(exact + other, angle, rtol=1e-13)
    np.testing.assert_allclose(theory.merge_displacement(7, 1.0), 0.5, rtol=1e-14)
    np.testing.assert_allclose(theory.merge_displacement(7, 1.0, (0.7, 0.3), "USA"), 0.3, rtol=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda theory: theory.merge_time(1.0, 4.0),
            "angle must be an angle strictly between 0 and pi, got 4",
        ),
        (lambda theory: theory.merge_time(1.0, 0.5, 0.6), "stop_angle must be at most angle, got 0.6"),
        (
            lambda theory: theory.merge_time(1.0, 0.5, masses=(0.0, 1.0)),
            "each mass must be finite and above 0, got 0",
        ),
        (
            lambda theory: theory.merge_time(1.0, 0.5, masses=(1.0, 1.0)),
            "the sum of both masses must be at most 1",
        ),
        (lambda theory: theory.merge_time(np.nan, 0.5), "beta must be finite and at least 0, got nan"),
        (
            lambda theory: theory.antipodal_escape_time(1.0, 2.0, 2.0),
            "stop_angle must be at most pi - offset",
        ),
        (lambda theory: theory.closest_pair_log_time(1.0, 3.0, 0.5, 0.5), "beta sin.* must be above"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
