"""Trapping and escapes: measured times against a plain integration, and the findings against their tables."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from compare.experiments import escapes as of_escapes
from compare.experiments import trapping as of_trapping
from compare.experiments.shared.lifetimes import log_collapse_time, log_escape_time
from sim import Attention, caps
from sim.mergers.solver import coalesce


@pytest.fixture(scope="module")
def trapped():
    return of_trapping.EXPERIMENT.run(0, True)


@pytest.fixture(scope="module")
def escaped():
    return of_escapes.EXPERIMENT.run(0, True)


def test_both_times_agree_with_a_plain_integration():
    """Two caps of two tokens at beta = 6, SA: DOP853 on all tokens finds the same T1 and T2."""
    beta, eps, goal = 6.0, 0.004, 1e-3
    centres = np.array([[1.0, 0, 0], [np.cos(1.3), np.sin(1.3), 0]])
    tokens = caps(centres, 2, eps, 3)

    def flow(t, state):
        x = state.reshape(4, 3)
        apart = x - x[:, None]
        weights = np.exp(-beta * np.sum(apart**2, axis=-1) / 2)
        pull = np.einsum("ij,ijk->ik", weights / weights.sum(axis=1, keepdims=True), apart)
        return (pull - np.sum(pull * x, axis=1, keepdims=True) * x).ravel()

    def tight(t, state):
        x = state.reshape(2, 2, 3)
        return np.linalg.norm(x[:, 0] - x[:, 1], axis=-1).max() - goal

    def left(t, state):
        x = state.reshape(4, 3)
        return 1 - 2 * eps - np.min(np.sum(x * np.repeat(centres, 2, axis=0), axis=1))

    solved = solve_ivp(flow, (0, 100), tokens.ravel(), "DOP853", rtol=1e-12, atol=1e-13, events=[tight, left])
    found = coalesce(Attention(beta), tokens)
    # a merged pair stands for two tokens up to beta chord^2 = 2e-11; bisection is at 4e-6 of a stage
    assert log_collapse_time(found, 2, np.log(goal)) == pytest.approx(np.log(solved.t_events[0][0]), abs=1e-5)
    assert log_escape_time(found, centres, eps) == pytest.approx(np.log(solved.t_events[1][0]), abs=1e-5)
    below = log_collapse_time(found, 2, np.log(1e-9))
    at_chord = log_collapse_time(found, 2, np.log(found.merge_chord))
    # below the merge chord the distance falls as e^(-t)
    assert np.exp(below) - np.exp(at_chord) == pytest.approx(np.log(found.merge_chord / 1e-9), rel=1e-9)


def test_the_bounds_hold_and_a_violation_would_be_counted(trapped):
    applies = trapped["log_collapse_bound"].notnull()
    assert int(applies.sum()) >= 6
    assert of_trapping.violations(trapped) == 0
    assert f"violated in 0 of {int(applies.sum())} runs" in trapped.attrs["finding"]
    broken = trapped.assign(log_escape=trapped["log_escape"] - 100)
    assert of_trapping.violations(broken) > 0
    assert "violated in 0" not in of_trapping.finding(broken)
    assert of_trapping.violations(trapped.assign(log_collapse=trapped["log_collapse"] + 20)) > 0


def test_the_slope_is_at_least_one_less_alpha(trapped):
    ends = trapped["log_escape"].sel(beta=[30.0, 300.0])
    slope = ends.diff("beta").isel(beta=0) / 270
    rate = 1 - trapped["alpha"].isel(beta=0)
    assert bool((slope > rate).all())
    # centroids lie in the caps, so the exponent exceeds 1 - alpha by at most the caps' size, which goes with sqrt(eps)
    small = (slope - rate).sel(eps=1e-4)
    assert float(small.max()) < 0.1
    assert f"{float(slope.mean()):.3f} on average" in trapped.attrs["finding"]


def test_onset_and_failing_separation(trapped):
    """The proof needs a larger beta and a wider angle than trapping does."""
    assert 2 < float(trapped["onset_beta"].sel(kind="SA")) < float(trapped["onset_beta_proved"])
    both = trapped["onset_log_escape"] - trapped["onset_log_escape_coalesce"]
    # simulate's crossing is interpolated between saves that are 2 to 7 % apart
    assert float(abs(both).max()) < 1e-2
    near = trapped["near_log_escape"] - trapped["near_log_shrink"]
    assert float(near.isel(angle=0).max()) < 0 < float(near.isel(angle=-1).min())


def test_later_mergers_follow_the_law(escaped):
    later = escaped.isel(merger=slice(1, None))
    off = abs(later["log_time"] - later["log_time_theory"]).where(later["lead"] > 10)
    assert float(off.max()) < 1e-5
    assert f"at most {float(off.max()):.1e} and another pair merges 0 times" in escaped.attrs["finding"]
    assert "after the first follow the law" in of_escapes.finding(escaped)
    assert "do not follow" in of_escapes.finding(escaped.assign(log_time=escaped["log_time"] + 0.1))


def test_the_law_for_large_beta_is_the_limit_of_the_exact_one(escaped):
    gap = abs(escaped["log_time_asymptotic"] - escaped["log_time_theory"]).where(escaped["lead"] > 10)
    assert float(gap.isel(beta=-1).median()) < 1e-3 < float(gap.isel(beta=0).max())


def test_three_in_a_row_need_an_exponentially_fine_tie(escaped):
    """-ln delta_c grows as 3 (cos(2g/3) - cos g) beta; from beta = 100 to 140 the slope is still 5 % above it."""
    slope = -escaped["log_delta_critical"].diff("beta_row").isel(beta_row=-1) / 40
    assert slope.values == pytest.approx(3 * (np.cos(1 / 3) - np.cos(0.5)), rel=0.1)
    # pairs at right angles feel each other by e^(-beta) at most
    assert escaped["pairs_delay"].values == pytest.approx(escaped["pairs_delay_theory"].values, abs=1e-8)


def test_greedy_rules_differ_where_masses_do():
    """Gaps 1, 1.05 and 0.85: after the last two have met, only the law knows how far from the second one they met."""
    angles = np.array([0.0, 1.0, 2.05, 2.9])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    masses = np.array([0.1, 0.6, 0.2, 0.1])
    chain = of_escapes.members_of_pairs(
        of_escapes.greedy_mergers(points, masses, 1e3, "SA", "single linkage")
    )
    law = of_escapes.members_of_pairs(of_escapes.greedy_mergers(points, masses, 1e3, "SA", "escape law"))
    assert chain[0] == law[0] == {frozenset({2}), frozenset({3})}
    assert chain[1] == {frozenset({0}), frozenset({1})}
    assert law[1] == {frozenset({0}), frozenset({1})}
    assert of_escapes.members_of_pairs(np.array([[0, 1], [2, 3]]))[1] == {frozenset({0, 1}), frozenset({2})}


def test_the_figure_of_trapping_is_drawn_from_the_table_alone(trapped):
    figure = of_trapping.EXPERIMENT.draw(trapped)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)


def test_the_figure_of_escapes_is_drawn_from_the_table_alone(escaped):
    figure = of_escapes.EXPERIMENT.draw(escaped)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
