"""Bounds on separated caps: their formulas, their hypotheses, and that a simulation keeps them."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are

BETA, EPS, TOKENS = 30.0, 0.004, 9


def test_separation_is_the_largest_inner_product():
    random = np.random.default_rng(1)
    for d in (2, 3, 7):
        centres = random.standard_normal((4, d))
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        best = -1.0
        for p in range(4):
            for q in range(p):
                # The best pair lies on the great circle: scan both caps along it.
                side = centres[q] - centres[q] @ centres[p] * centres[p]
                side /= np.linalg.norm(side)
                apart = np.arccos(centres[p] @ centres[q])
                turns = np.linspace(-1, 1, 401) * np.arccos(1 - 2 * EPS)
                best = max(best, np.cos(turns[:, None] - (apart + turns)).max())
        np.testing.assert_allclose(theory.separation(centres, EPS), best, rtol=0, atol=1e-12)
    # No pair of sampled points in the caps exceeds it.
    alpha = theory.separation(np.eye(3), EPS)
    np.testing.assert_allclose(alpha, np.sin(4 * np.arcsin(np.sqrt(EPS))), rtol=1e-14)
    draws = np.eye(3)[:, None] + 0.2 * random.uniform(-1, 1, (3, 4000, 3))
    draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
    inside = [points[points[:, axis] >= 1 - 2 * EPS] for axis, points in enumerate(draws)]
    assert (inside[0] @ inside[1].T).max() <= alpha
    assert theory.separation(np.array([[1, 0], [np.cos(0.1), np.sin(0.1)]]), EPS) == 1.0


def test_measured_example():
    # Three orthonormal caps of three tokens, beta = 30, eps = 0.004: known 421 and 2.6e6, against 4.7 (SA), 14.1 (USA)
    # and 1.8e11. The start distance is the one that gives 4.7; 14.1 and the others follow.
    alpha = theory.separation(np.eye(3), EPS)
    bounds = theory.trapping_bounds(BETA, EPS, alpha, TOKENS)
    assert bounds.holds
    assert round(float(bounds.collapse_time)) == 421
    assert f"{bounds.escape_time:.1e}" == "2.6e+06"
    np.testing.assert_allclose(
        [np.exp(bounds.log_collapse_time), np.exp(bounds.log_escape_time)],
        [bounds.collapse_time, bounds.escape_time],
        rtol=1e-12,
    )
    sharp = [
        theory.sharp_trapping(BETA, np.eye(3), np.full(3, 1 / 3), 0.0965, bounds.lambda_, kind)
        for kind in ("SA", "USA")
    ]
    assert [f"{one.collapse_time:.1f}" for one in sharp] == ["4.7", "14.1"]
    np.testing.assert_allclose(sharp[0].log_escape_time, np.log(np.exp(30) / 60), rtol=1e-12)
    assert f"{np.exp(sharp[0].log_escape_time):.1e}" == "1.8e+11"


def test_formulas_and_hypotheses():
    beta, eps, alpha, n, rate = 40.0, 0.01, 0.1, 12, 0.3
    bounds = theory.trapping_bounds(beta, eps, alpha, n, rate)
    margin = 1 - alpha - 8 * eps - np.log(2 * n**2 / eps) / beta
    np.testing.assert_allclose(bounds.margin, margin, rtol=1e-14)
    np.testing.assert_allclose(theory.separation_margin(beta, eps, alpha, n), margin, rtol=1e-14)
    collapse = 2 * n * np.exp(8 * eps * beta) + np.e * n * rate * beta**2 / (beta - 1)
    np.testing.assert_allclose(bounds.collapse_time, collapse, rtol=1e-13)
    np.testing.assert_allclose(bounds.escape_time, eps / n * np.exp((1 - alpha) * beta), rtol=1e-13)
    limit = min(
        np.exp((1 - alpha) * beta)
        * (beta - 1)
        * eps
        / (beta**2 * n**2 * np.e)
        * (1 - np.exp(-margin * beta)),
        1 - alpha - np.log(2 * n**2 / (1 - 8 * eps)) / beta - 8 * eps,
    )
    np.testing.assert_allclose(bounds.lambda_limit, limit, rtol=1e-13)
    assert not theory.trapping_bounds(beta, eps, alpha, n, 1.01 * limit).holds
    assert np.isnan(theory.trapping_bounds(beta, eps, alpha, n, 1.01 * limit).escape_time)


def test_sweep_over_beta():
    beta = np.array([2.0, 15.0, 30.0, 300.0, 1e6])
    bounds = theory.trapping_bounds(beta, 0.003, 0.2, 20)
    np.testing.assert_array_equal(bounds.holds, bounds.margin > 0)
    assert not bounds.holds[0]
    held = bounds.holds
    assert np.all(bounds.log_collapse_time[held] < bounds.log_escape_time[held])
    assert bounds.escape_time[-1] == np.inf
    assert np.isfinite(bounds.log_escape_time[-1])
    # The exponent of the bound tends to 1 - alpha.
    np.testing.assert_allclose(bounds.log_escape_time[-1] / beta[-1], 0.8, rtol=1e-4)


def test_mean_field_time():
    value = theory.mean_field_log_escape(40.0, 0.01, 0.1, 3)
    np.testing.assert_allclose(value, np.log(0.01 / 3) + 40 * 0.82, rtol=1e-14)
    assert np.isnan(theory.mean_field_log_escape(10.0, 0.01, 0.1, 3))


def test_far_pairs_do_not_spoil_the_sharp_time():
    angles = np.array([0.0, 0.8, 2.0, np.pi])
    centres = np.stack([np.cos(angles), np.sin(angles)], 1)
    escape = theory.sharp_trapping([5.0, 50.0], centres, np.full(4, 0.25), 0.1, 0.1).log_escape_time
    np.testing.assert_allclose(escape, theory.closest_pair_log_time([5.0, 50.0], 0.8, 0.25, 0.25), rtol=1e-13)
    simplex = np.array([[1, 0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
    escape = theory.sharp_trapping(50.0, simplex, np.full(3, 1 / 3), 0.1, 0.1).log_escape_time
    law = theory.closest_pair_log_time(50.0, 2 * np.pi / 3, 0.3, 0.3)
    np.testing.assert_allclose(escape, law, rtol=1e-13)


@pytest.mark.parametrize("kind", ["SA", "USA"])
def test_a_run_keeps_the_bounds(kind):
    random = np.random.default_rng(3)
    centres = np.eye(3)
    start = np.repeat(centres, 3, axis=0) + 0.026 * random.standard_normal((9, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    caps = np.repeat(np.arange(3), 3)
    assert np.all(start[np.arange(9), caps] >= 1 - EPS)
    same = caps[:, None] == caps

    def flow(t, flat):
        x = flat.reshape(9, 3)
        gaps = x - x[:, None]
        distance = (gaps**2).sum(-1)
        weights = np.exp(-BETA * distance / 2)
        weights = weights / (weights.sum(1, keepdims=True) if kind == "SA" else 9)
        pull = (weights[..., None] * gaps).sum(1)
        return (pull - (pull * x).sum(1, keepdims=True) * x).ravel()

    alpha = theory.separation(centres, EPS)
    bounds = theory.trapping_bounds(BETA, EPS, alpha, TOKENS)
    spread = np.sqrt(((start[:, None] - start) ** 2).sum(-1)[same].max())
    sharp = theory.sharp_trapping(BETA, centres, np.full(3, 1 / 3), spread, bounds.lambda_, kind)
    run = solve_ivp(flow, (0, 60), start.ravel(), "DOP853", dense_output=True, rtol=1e-10, atol=1e-13)
    times = np.linspace(0, 60, 1201)
    points = run.sol(times).T.reshape(-1, 9, 3)
    squares = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    widest = np.where(same, squares, 0).max((1, 2))
    collapsed = times[widest <= 2 * np.exp(-bounds.lambda_ * BETA)][0]
    assert collapsed <= bounds.collapse_time
    # The sharp law takes the pull at full strength from the start; tokens 0.2 apart feel exp(-0.6) of it, at first.
    np.testing.assert_allclose(collapsed, sharp.collapse_time, rtol=0.15)
    rho = 1 - np.where(same, squares, 0).max((1, 2))[:400:40] / 2
    growth = np.gradient(1 - widest / 2, times)[:400:40]
    # The central difference over 0.05 is good to about 1e-3 of the speeds here.
    assert np.all(growth >= theory.cap_contraction_bound(rho, TOKENS, BETA, alpha) - 1e-4)
    assert np.all(points[:, np.arange(9), caps] >= 1 - 2 * EPS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.trapping_bounds(1.0, 0.01, 0.1, 4), "beta must be finite and above 1, got 1"),
        (lambda theory: theory.trapping_bounds(9.0, 0.07, 0.1, 4), r"eps must be in \(0, 1/16\), got 0.07"),
        (lambda theory: theory.trapping_bounds(9.0, 0.01, 1.1, 4), r"alpha must be in \[-1, 1\], got 1.1"),
        (
            lambda theory: theory.trapping_bounds(9.0, 0.01, 0.1, 1),
            "n must be a number of tokens of at least 2",
        ),
        (
            lambda theory: theory.trapping_bounds(9.0, 0.01, 0.1, 4, -1.0),
            "lambda_ must be finite and above 0",
        ),
        (lambda theory: theory.separation(2 * np.eye(2), 0.01), "centres must be at least 2 unit rows"),
        (
            lambda theory: theory.sharp_trapping(9.0, np.eye(2), np.array([0.5, 0.6]), 0.1, 0.1),
            "masses must be 2 shares with sum 1",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
