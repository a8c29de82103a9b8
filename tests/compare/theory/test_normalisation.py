"""Speeds, invariant and layer time of the normalisations, against loops and integration."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import compare.theory
from tests.helpers.equiangular import attend, equiangular

theory: Any = compare.theory  # numbers or arrays, as the arguments are


@pytest.mark.parametrize("scheme", ["post", "pre", "peri", "ngpt", "sqrt"])
def test_speeds_are_those_of_the_layer(scheme):
    n, rho, beta, radius, alpha, t = 6, 0.2, 2.0, 3.0, 0.4, 5.0
    points = equiangular(n, rho)
    out = attend(points, beta)
    pull = out - (out * points).sum(1, keepdims=True) * points
    length, along = np.linalg.norm(out[0]), out[0] @ points[0]
    slowness = {
        "post": 1,
        "pre": radius,
        "peri": radius * length,
        "ngpt": length / alpha,
        "sqrt": np.sqrt(t),
    }[scheme]
    growth = {"pre": along, "peri": along / length}.get(scheme, 0.0)
    speeds = theory.normalisation_speeds(scheme, rho, n, beta, radius, alpha, t)
    np.testing.assert_allclose(speeds.rho, 2 * (pull[0] @ points[1]) / slowness, rtol=1e-13)
    np.testing.assert_allclose(speeds.radius, growth, rtol=1e-14)


def test_printed_initial_speeds():
    n, beta = 64, 3.0
    wide = np.sqrt(np.exp(2 * beta) + n - 1)
    plain = np.exp(beta) + n - 1
    expected = {
        "post": 2 / plain,
        "pre": 2 / (1.5 * plain),
        "peri": 2 / (1.5 * wide),
        "ngpt": 2 * 0.7 / wide,
        "sqrt": 2 / plain / np.sqrt(2),
    }
    for scheme, value in expected.items():
        speed = theory.normalisation_speeds(scheme, 0.0, n, beta, 1.5, 0.7, 2.0).rho
        np.testing.assert_allclose(speed, value, rtol=1e-14)
    # Post-LN is the flow of SA, so its speed is that of the closed form.
    step = 1e-4
    slope = (theory.gamma(1 + step, n, beta) - theory.gamma(1 - step, n, beta)) / (2 * step)
    here = theory.gamma(1.0, n, beta)
    np.testing.assert_allclose(theory.normalisation_speeds("post", here, n, beta).rho, slope, rtol=1e-6)


def test_invariant_of_pre_and_peri():
    # Printed to five digits, for both schemes.
    np.testing.assert_allclose(theory.norm_invariant(0.0, 256, 5.0), 8.3391, rtol=0, atol=5e-5)
    for scheme in ("pre", "peri"):

        def flow(t, state, scheme=scheme):
            speeds = theory.normalisation_speeds(scheme, min(state[0], 1.0), 256, 5.0, state[1])
            return [float(speeds.rho), float(speeds.radius)]

        times = np.array([0.0, 5.0, 50.0, 1000.0])
        run = solve_ivp(flow, (0, 1000), [0.0, 1.0], "DOP853", times, rtol=1e-11, atol=1e-14)
        conserved = theory.norm_invariant(run.y[0], 256, 5.0, run.y[1])
        # The integrator's error over 1 - rho, which is about 1e-5 at the end.
        np.testing.assert_allclose(conserved, conserved[0], rtol=1e-7)
        # The tail: r grows as t and 1 - rho falls as invariant / t^2.
        np.testing.assert_allclose((1 - run.y[0, -1]) * run.y[1, -1] ** 2, conserved[0], rtol=1e-4)


def test_invariant_is_the_quadrature():
    for n, beta, rho in [(2, 1.0, 0.0), (10, 4.0, 0.5), (7, 0.0, 0.2), (300, 6.0, -0.003)]:
        exponent = quad(lambda v, n=n, beta=beta: np.expm1(beta * v) / (v * (n - (n - 1) * v)), 0, 1 - rho)[0]
        np.testing.assert_allclose(
            theory.norm_invariant(rho, n, beta, 2.0), 4 * (1 - rho) * np.exp(exponent), rtol=1e-8
        )
    assert theory.norm_invariant(0.0, 2, 50.0) == np.inf


def test_layer_time():
    # One small layer turns a token by its speed times the layer's time; the turn itself is an arctangent.
    points = equiangular(5, 0.1)
    out = attend(points, 2.0)
    along = out[0] @ points[0]
    pull = np.linalg.norm(out[0] - along * points[0])
    for step, radius in [(0.1, 1.0), (1.0, 1.0), (1.0, 4.0)]:
        moved = radius * points[0] + step * out[0]
        turn = np.arccos(moved @ points[0] / np.linalg.norm(moved))
        time = theory.layer_time(along, step, radius)
        np.testing.assert_allclose(turn, np.arctan(time * pull), rtol=1e-10)
    assert theory.layer_time(1.0) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda theory: theory.normalisation_speeds("mix", 0.1, 4, 1.0),
            "scheme must be one of post, pre, peri",
        ),
        (
            lambda theory: theory.normalisation_speeds("pre", 0.1, 4, 1.0, 0.0),
            "radius must be finite and above 0",
        ),
        (lambda theory: theory.norm_invariant(1.0, 4, 1.0), "rho must be below 1, got 1"),
        (lambda theory: theory.layer_time(-1.0), r"radius \+ step \* alignment must be above 0, got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
