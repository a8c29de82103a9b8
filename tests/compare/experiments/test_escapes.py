"""Escapes: later mergers, ties and greedy rules against the law, and the finding's table."""

import numpy as np
import pytest

from compare.experiments import escapes as of_escapes


@pytest.fixture(scope="module")
def escaped():
    return of_escapes.EXPERIMENT.run(0, True)


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


def test_the_figure_of_escapes_is_drawn_from_the_table_alone(escaped):
    figure = of_escapes.EXPERIMENT.draw(escaped)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
