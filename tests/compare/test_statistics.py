"""Intervals and tests over a few runs: against SciPy, against tables, and by how often they cover."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compare.statistics import (
    benjamini_hochberg,
    bootstrap_t_interval,
    clopper_pearson,
    mean_above,
    median_interval,
    power_interval,
    share_above,
    share_below,
    stouffer,
    t_interval,
)

VALUES = [0.3, 0.5, 0.9, 0.1, 0.7, 0.4, 0.45]


def test_t_interval_and_its_test_are_those_of_scipy():
    own: Any = stats.ttest_1samp(VALUES, 0.25, alternative="greater")
    both = stats.ttest_1samp(VALUES, 0.25).confidence_interval(0.95)
    np.testing.assert_allclose(mean_above(VALUES, 0.25), own.pvalue, rtol=1e-12)
    np.testing.assert_allclose(t_interval(VALUES), [both.low, both.high], rtol=1e-12)


@given(seed=st.integers(0, 2**31), bound=st.floats(-1, 1))
@settings(max_examples=40, deadline=None)
def test_an_interval_is_clear_of_a_bound_where_the_test_says_so(seed, bound):
    """One-sided at 2.5 % and the end of the 95 % interval are one decision."""
    values = np.random.default_rng(seed).normal(0.2, 0.3, 8)
    assert (t_interval(values).low > bound) == (mean_above(values, bound) < 0.025)


def test_values_that_agree_are_judged_by_their_number():
    assert t_interval([0.0] * 9) == (0, 0)
    assert mean_above([0.1] * 9, 0.05) == 2.0**-9
    assert mean_above([0.0] * 9, 0.05) == 1
    assert mean_above([0.05] * 9, 0.05) == 1
    assert mean_above([1.0], 0.0) == 1


def test_small_and_missing_runs():
    assert t_interval([2.0]) == (-np.inf, np.inf)
    assert np.isnan(t_interval([])).all()
    with pytest.raises(ValueError, match="finite number a run"):
        t_interval([1.0, np.nan])


def test_bootstrap_t_repeats_and_is_wider_on_the_long_side():
    """Of a law with a long right tail the mean may be far above, and hardly below, what few runs show."""
    skewed = np.exp(np.random.default_rng(3).normal(0, 1, 12))
    low, high = bootstrap_t_interval(skewed, seed=1)
    assert (low, high) == bootstrap_t_interval(skewed, seed=1)
    assert (low, high) != bootstrap_t_interval(skewed, seed=2)
    assert high - skewed.mean() > 1.3 * (skewed.mean() - low)
    assert bootstrap_t_interval([1.0] * 7) == t_interval([1.0] * 7) == (1, 1)


def test_two_runs_leave_the_bootstrap_nothing_to_draw():
    """Of two runs all resamples with spread are the runs again: an interval of no width would claim certainty."""
    both = stats.ttest_1samp([1.0, 2.0], 0).confidence_interval(0.95)
    np.testing.assert_allclose(bootstrap_t_interval([1.0, 2.0]), [both.low, both.high], rtol=1e-12)
    low, high = bootstrap_t_interval([1.0, 2.0, 4.0])
    assert low < 7 / 3 < high
    assert (low, high) != t_interval([1.0, 2.0, 4.0])
    assert bootstrap_t_interval([1.0]) == (-np.inf, np.inf)


def test_coverage_of_the_two_intervals_for_a_mean():
    """400 groups of 9 normal runs: 95 % within 3 standard errors, 1.1 % each."""
    groups = np.random.default_rng(5).normal(1, 1, (400, 9))
    student = [interval.low < 1 < interval.high for interval in map(t_interval, groups)]
    resampled = [
        interval.low < 1 < interval.high
        for interval in (bootstrap_t_interval(group, draws=199) for group in groups)
    ]
    assert abs(np.mean(student) - 0.95) < 0.033
    assert abs(np.mean(resampled) - 0.95) < 0.045  # with 199 resamples its ends are one more percent off


@pytest.mark.parametrize(("successes", "runs"), [(0, 9), (1, 9), (8, 9), (9, 9), (3, 12)])
def test_clopper_pearson_is_that_of_scipy(successes, runs):
    exact = stats.binomtest(successes, runs).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(clopper_pearson(successes, runs), [exact.low, exact.high], atol=1e-12)


@pytest.mark.parametrize(("draws", "factor"), [(4, 5.144), (6, 3.708), (10, 2.911), (15, 2.566)])
def test_a_power_is_shown_by_the_printed_tolerance_factors(draws, factor):
    """One-sided, 95 % of a normal law with 95 % confidence: m - factor s is the bound that it shows."""
    shape = np.linspace(-1, 1, draws)
    standard = (shape - shape.mean()) / shape.std(ddof=1)
    for nearer, shown in ((-0.002, False), (0.002, True)):
        p = stats.norm.sf(stats.norm.isf(0.025) + factor + nearer + standard)
        assert (power_interval(p, 0.025, level=0.9).low > 0.95) == shown


@pytest.mark.parametrize("power", [0.5, 0.9, 0.99])
def test_the_interval_of_a_power_covers_it(power):
    """In 95 % of 2000 trials, 3 standard errors of which are 1.5 %."""
    deviates = (
        np.random.default_rng(0).standard_normal((2000, 6)) + stats.norm.isf(0.025) + stats.norm.ppf(power)
    )
    found = np.array([power_interval(p, 0.025) for p in stats.norm.sf(deviates)])
    assert abs(np.mean((found[:, 0] <= power) & (power <= found[:, 1])) - 0.95) < 0.015


def test_the_power_of_draws_that_are_alike_or_too_few():
    nothing = (0, 1)
    for p in ([1e-9] * 4, [1e-9, 1e-5, 1e-9, 1e-6], [1.0, 1.0], [0.0, 0.0], [1e-9], [1e-9, np.nan, 1e-8]):
        assert power_interval(p, 0.025) == nothing
    for spread in (1e-9, 1e-6, 1e-3):
        for draws in (4, 72):
            deviates = stats.norm.isf(0.025) + np.array([-1, 1])[:, None] * (
                3 + spread * np.linspace(0, 1, draws)
            )
            unseen, seen = (power_interval(p, 0.025) for p in stats.norm.sf(deviates))
            assert seen.low > 0.999
            assert unseen.high < 0.001
    assert power_interval([1e-12, 0.0], 0.025).low >= 0
    few_alike = power_interval([1e-9, 1e-9, 2e-9, 3e-9, 4e-9], 0.025)
    assert few_alike.low > 0.95


def test_how_many_of_nine_and_twelve_confirm_and_refute():
    """8 of 9 lie above one half, at most 1 below; 10 and 2 of 12."""
    for runs, most, least in ((9, 8, 1), (12, 10, 2)):
        assert clopper_pearson(most, runs).low > 0.5 >= clopper_pearson(most - 1, runs).low
        assert clopper_pearson(least, runs).high < 0.5 <= clopper_pearson(least + 1, runs).high
        assert share_above(most, runs, 0.5) < 0.025 < share_above(most - 1, runs, 0.5)
        assert share_below(least, runs, 0.5) < 0.025 < share_below(least + 1, runs, 0.5)
    with pytest.raises(ValueError, match="10 of 9"):
        clopper_pearson(10, 9)


@pytest.mark.parametrize(
    ("runs", "rank", "covered"), [(6, 1, 0.969), (9, 2, 0.961), (10, 2, 0.979), (12, 3, 0.961)]
)
def test_ranks_of_the_median(runs, rank, covered):
    values = np.random.default_rng(runs).permutation(runs) + 1.0
    assert median_interval(values) == (rank, runs + 1 - rank)
    assert round(1 - 2 * float(stats.binom.cdf(rank - 1, runs, 0.5)), 3) == covered


def test_the_rank_of_the_median_is_the_largest_that_covers():
    """By trying every rank, for each number of runs up to 80 and two levels."""
    for level in (0.9, 0.95):
        for runs in range(1, 81):
            tails = 2 * stats.binom.cdf(np.arange(runs), runs, 0.5)
            rank = int(np.sum(tails <= 1 - level))
            expected = (rank, runs + 1 - rank) if rank else (-np.inf, np.inf)
            assert median_interval(np.arange(1.0, runs + 1), level=level) == expected


def test_a_censored_median():
    """Runs that ended too soon are known below only; five runs can say nothing at 95 %."""
    least, most = [0, 1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, np.inf, np.inf, np.inf]
    assert median_interval(least, most) == (1, np.inf)
    assert median_interval(least, [*most[:7], 9, 9]) == (1, 9)
    assert median_interval([0.0] * 9, [np.inf] * 9) == (0, np.inf)
    assert median_interval([1.0] * 5) == (-np.inf, np.inf)


def test_benjamini_hochberg_is_that_of_scipy():
    p = np.random.default_rng(0).uniform(0, 1, 20) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), rtol=1e-12)
    with_gaps = np.insert(p, [3, 10], np.nan)
    q = benjamini_hochberg(with_gaps)
    assert np.isnan(q[[3, 11]]).all()
    np.testing.assert_allclose(q[np.isfinite(q)], stats.false_discovery_control(p), rtol=1e-12)
    assert benjamini_hochberg([]).shape == (0,)


def test_stouffer_adds_up():
    np.testing.assert_allclose(stouffer([1, 1, 1, 1]), stats.norm.sf(2), rtol=1e-12)
    assert stouffer([1, np.nan]) == stouffer([1])
    assert stouffer([np.nan]) == stouffer([]) == 1
