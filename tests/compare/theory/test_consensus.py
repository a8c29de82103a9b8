"""The common inner product of equiangular tokens against printed values, quadrature and integration."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


# Printed to 20 digits; 2e-14 leaves 100 roundings of float64.
SA_TIMES = [
    (2, 1, 4.2710676803093352117),
    (2, 4, 10.831207009994950589),
    (8, 4, 8.3654496195282092754),
    (32, 4, 6.9535018488080687381),
    (32, 9, 178.73092951903912871),
    (128, 4, 6.5695498927784073211),
    (128, 9, 82.593357501980948376),
]


USA_TIMES = [
    (2, 1, 1.7444601011281470017),
    (8, 4, 0.64968267062164871522),
    (32, 4, 1.1307703412964511965),
    (128, 9, 1.2125342031847884082),
]


def velocity(g, n, beta, kind):
    """The equation of 2312.10794, on the metastability clock."""
    pull = 2 * np.exp(beta * (g - 1)) * (1 - g) * ((n - 1) * g + 1)
    return pull / (1 + (n - 1) * np.exp(beta * (g - 1))) if kind == "SA" else pull / n


@pytest.mark.parametrize(("n", "beta", "time"), SA_TIMES)
def test_times_of_sa(n, beta, time):
    np.testing.assert_allclose(theory.gamma_time(1 - 1e-3, n, beta), time, rtol=2e-14)


@pytest.mark.parametrize(("n", "beta", "time"), USA_TIMES)
def test_times_of_usa(n, beta, time):
    np.testing.assert_allclose(theory.gamma_time(1 - 1e-3, n, beta, "USA", clock="survey"), time, rtol=2e-14)


@pytest.mark.parametrize(
    ("t", "beta", "kind", "value"),
    [
        (3, 1, "SA", 0.981415675651560735),
        (3, 4, "SA", 0.152260398688941285),
        (0.5, 1, "USA", 0.360793109911217784),
        (0.3, 4, "USA", 0.301959026550881998),
        (1, 0, "USA", 0.614979458970125147),
        (1, 0, "SA", 0.614979458970125147),
    ],
)
def test_values_for_four_orthonormal_tokens(t, beta, kind, value):
    # Printed to 18 digits: a few roundings.
    np.testing.assert_allclose(theory.gamma(t, 4, beta, kind, clock="survey"), value, rtol=0, atol=5e-16)


@pytest.mark.parametrize("kind", ["SA", "USA"])
@pytest.mark.parametrize("start", [-0.1, 0.0, 0.4])
def test_gamma_solves_its_equation(kind, start):
    times = np.linspace(0, 12, 7)
    for n, beta in [(2, 0.5), (6, 3.0), (9, 6.0)]:
        exact = solve_ivp(
            lambda t, g, n=n, beta=beta: velocity(g, n, beta, kind),
            (0, 12),
            [start],
            "DOP853",
            times,
            rtol=1e-12,
            atol=1e-14,
        )
        # The integrator's tolerance, times the growth of its errors.
        np.testing.assert_allclose(theory.gamma(times, n, beta, kind, start), exact.y[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["SA", "USA"])
@pytest.mark.parametrize(
    ("n", "beta", "low", "high"), [(3, 30.0, 0, 0.9), (1000, 2.0, 0.1, 0.1000001), (5, 1e-9, 0, 0.5)]
)
def test_time_is_the_quadrature(kind, n, beta, low, high):
    with mpmath.workdps(40):

        def slowness(g):
            q = mpmath.e ** (beta * (g - 1))
            rate = 2 * q * (1 - g) * ((n - 1) * g + 1)
            return (1 + (n - 1) * q) / rate if kind == "SA" else n / rate

        ends = mpmath.linspace(mpmath.mpf(low), mpmath.mpf(high), 40)
        exact = float(str(mpmath.quad(slowness, ends)))
    # The short span has rounding 1e-16 / 1e-7 in its own length.
    tolerance = 1e-8 if high - low < 1e-6 else 2e-14
    np.testing.assert_allclose(theory.gamma_time(high, n, beta, kind, low), exact, rtol=tolerance)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 10_000),
    st.floats(0, 25),
    st.floats(0, 0.999),
    st.floats(0, 0.5),
    st.sampled_from([("SA", "metastability"), ("USA", "metastability"), ("USA", "survey")]),
)
def test_gamma_inverts_gamma_time(n, beta, gamma, start, flow):
    kind, clock = flow
    gamma = max(gamma, start)
    time = theory.gamma_time(gamma, n, beta, kind, start, clock)
    # The search ends within 1e-13; fifty roundings of the time move gamma by its speed times 1e-14 t.
    speed = velocity(gamma, n, beta, kind) * (np.exp(beta) if clock == "survey" else 1.0)
    back = theory.gamma(time, n, beta, kind, start, clock)
    np.testing.assert_allclose(back, gamma, rtol=0, atol=1e-13 + 1e-14 * speed * time)


def test_gamma_never_falls_and_stays_in_range():
    times = np.concatenate([[0.0], np.geomspace(1e-300, 1e300, 200)])
    for kind in ("SA", "USA"):
        for clock in ("metastability", "survey"):
            values = theory.gamma(times, 8, np.array([[0.0], [4], [60], [1e5]]), kind, -0.1, clock)
            assert values.shape == (4, 201)
            # One rounding of a value of order one.
            assert np.all(np.diff(values, axis=-1) >= -3e-16)
            assert values.min() == -0.1
            assert values.max() <= 1


def test_without_attention_the_curve_is_rational():
    t = np.linspace(0, 5, 6)
    for n in (2, 7, 1000):
        exact = (np.exp(2 * t) - 1) / (np.exp(2 * t) + n - 1)
        np.testing.assert_allclose(theory.gamma(t, n, 0.0), exact, rtol=1e-13)
    np.testing.assert_allclose(theory.gamma(t, 2, 0.0, start=0.3), np.tanh(t + np.arctanh(0.3)), rtol=1e-13)


def test_clocks_of_usa_differ_by_exp_beta():
    slow = theory.gamma_log_time(0.9, 5, [0.0, 3.0, 400.0], "USA", 0.1)
    fast = theory.gamma_log_time(0.9, 5, [0.0, 3.0, 400.0], "USA", 0.1, "survey")
    np.testing.assert_allclose(slow - fast, [0.0, 3.0, 400.0], rtol=0, atol=1e-12)
    assert theory.gamma_time(0.9, 5, 3.0) == theory.gamma_time(0.9, 5, 3.0, clock="survey")


def test_limits_at_large_beta():
    # t ~ e^beta/(2 beta) with relative corrections of order n/beta.
    beta = np.array([1e3, 1e4, 1e5, 1e6])
    error = theory.gamma_log_time(0.99, 2, beta) - (beta - np.log(2 * beta))
    assert np.all(np.abs(error) < 2 / beta + 1e-9)
    # 1 << beta << n: (e^beta/2n)(ln(n/beta) - gamma_E) + (1/2) ln(n/delta), with corrections of order 1/beta.
    n, large = 1e9, 40.0
    first = np.exp(large) / (2 * n) * (np.log(n / large) - np.euler_gamma)
    ratio = theory.gamma_time(1 - 1e-3, n, large) / (first + 0.5 * np.log(n / 1e-3))
    assert abs(ratio - 1) < 2 / large


def test_log_time_goes_on_where_time_overflows():
    assert np.isfinite(theory.gamma_time(0.5, 4, 705.0))
    assert theory.gamma_time(0.5, 4, 800.0) == np.inf
    assert np.isfinite(theory.gamma_log_time(0.5, 4, 1e6))
    assert theory.gamma_log_time(0.2, 4, 3.0, start=0.2) == -np.inf


def test_deficit_bound():
    t = np.linspace(0, 60, 241)
    for n, beta in [(2, 0.0), (4, 1.0), (8, 2.0)]:
        bound = theory.gamma_deficit_bound(t, n, beta)
        deficit = 1 - theory.gamma(t, n, beta)
        late = t >= n * np.exp(beta) / 2
        assert np.all(np.isnan(bound[~late]))
        # Three roundings of 1, for 1 - gamma has no more digits.
        assert np.all(deficit[late] <= bound[late] + 3e-16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.5, 4, -1.0), "beta must be finite and at least 0, got -1"),
        ((0.5, 4, np.inf), "beta must be finite and at least 0, got inf"),
        ((0.5, 1, 1.0), "n must be a number of tokens of at least 2, got 1"),
        ((1.0, 4, 1.0), r"gamma must be in \[start, 1\), got 1"),
        ((-0.2, 4, 1.0), r"gamma must be in \[start, 1\), got -0.2"),
        ((0.5, 4, 1.0, "SA", -0.4), r"start must be in \(-1/\(n-1\), 1\), got -0.4"),
        ((0.1, 4, 1.0, "SA", [0.0, 0.2]), r"gamma must be in \[start, 1\), got 0.1"),
        ((0.5, 4, 1.0, "CSA"), "kind must be one of SA, USA, got 'CSA'"),
        ((0.5, 4, 1.0, "USA", 0.0, "slow"), "clock must be one of metastability, survey, got 'slow'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        theory.gamma_time(*arguments)
    assert "\n" not in str(caught.value)


def test_a_negative_time_is_refused():
    with pytest.raises(ValueError, match="t must be"):
        theory.gamma(-1.0, 4, 1.0)
