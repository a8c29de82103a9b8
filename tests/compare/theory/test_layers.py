"""Discrete layers, normalisation, long contexts and causal centres against loops and integration."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def equiangular(n, rho):
    """n unit rows with mutual inner product rho."""
    gram = np.full((n, n), rho) + (1 - rho) * np.eye(n)
    return np.linalg.cholesky(gram)


def attend(points, beta):
    weights = np.exp(beta * (points @ points.T - 1))
    return weights / weights.sum(1, keepdims=True) @ points


def test_output_cosine_is_the_layer():
    for n, rho, beta in [(3, 0.0, 1.0), (20, 0.3, 5.0), (50, 0.9, 40.0), (8, 0.5, 0.0)]:
        out = attend(equiangular(n, rho), beta)
        cosine = out[0] @ out[1] / np.linalg.norm(out[0]) / np.linalg.norm(out[1])
        np.testing.assert_allclose(theory.output_cosine(rho, n, beta), cosine, rtol=1e-13)


def test_printed_long_contexts():
    n = np.array([1e2, 1e4])
    critical = theory.critical_context_beta(0.3, n)
    np.testing.assert_allclose(critical, np.log(n) / 0.7, rtol=1e-15)
    # Printed to 12 digits (the last to 11).
    for factor, printed in [
        (1.0, [0.637950141428, 0.631642933512]),
        (0.5, [0.984690571336, 0.999775874243]),
        (2.0, [0.304293428023, 0.30004200938]),
    ]:
        np.testing.assert_allclose(
            theory.output_cosine(0.3, n, factor * critical), printed, rtol=0, atol=6e-12
        )
    limits = theory.long_context_limit(0.3, np.array([0.5, 1.0, 2.0]) / 0.7)
    np.testing.assert_allclose(limits, [1, 0.631578947368, 0.3], rtol=0, atol=5e-13)
    # The finite-n value tends to its limit: at the critical scale the distance is of order 1/n.
    at_large_n = theory.output_cosine(
        0.3, 1e12, theory.critical_context_beta(0.3, 1e12) * np.array([0.5, 1.0, 2.0])
    )
    np.testing.assert_allclose(at_large_n, limits, rtol=0, atol=1e-5)
    assert np.all(np.diff(theory.output_cosine(0.2, 100, np.linspace(0, 60, 200))) <= 1e-15)


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


def test_pull_and_its_peak():
    for beta in (0.0, 0.7, 30.0, 1e6):
        peak = float(theory.pull_peak(beta))
        around = peak * np.array([0.999, 1.0, 1.001])
        low, top, high = theory.pull(around, beta)
        assert max(low, high) < top
        np.testing.assert_allclose(theory.pull_slope(peak, beta), 0, atol=1e-12)
    np.testing.assert_allclose(theory.pull_peak(2.0), np.arccos((np.sqrt(17) - 1) / 4), rtol=1e-14)
    np.testing.assert_allclose(theory.pull_peak(1e8), 1e-4, rtol=1e-7)
    step = 1e-6
    slope = (theory.pull(0.4 + step, 5.0) - theory.pull(0.4 - step, 5.0)) / (2 * step)
    np.testing.assert_allclose(theory.pull_slope(0.4, 5.0), slope, rtol=1e-8)


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
        (lambda theory: theory.output_cosine(1.0, 4, 1.0), r"rho must be in \[0, 1\), got 1"),
        (lambda theory: theory.long_context_limit(0.0, 1.0), r"rho must be in \(0, 1\), got 0"),
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
        (lambda theory: theory.centre_lifetime(9.0, 4.0, 0.1, 1), "rank must be at least 2"),
        (lambda theory: theory.parking_count(1.0, 2.0), r"c beta\^\(-1/2\) must be below 1, got 2"),
        (lambda theory: theory.strong_centre_count(9.0, -1.0), "c must be finite and above 0, got -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
