"""What a refutation excludes follows from the sizes that were seen, and without them nothing is refuted."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from compare.judging.evidence import (
    CONFIRMED,
    REFUTED,
    UNDECIDED,
    Claim,
    Evidence,
    balance,
    decide,
    other_intervals,
)
from compare.judging.explain import explain
from compare.judging.reach import COARSE, LEAST_POWER, SEARCHES, Reach, Rung, counted, extrapolated, rung
from compare.statistics import RATE, clopper_pearson

LABELS = tuple(f"run {place}" for place in range(7))
FAILS = (Claim("excess", "nat", np.linspace(-0.1, 0.1, 7), low=0.25),)


SEEN, MISSED = 1e-9, 0.5


def reach(least_seen, ladder=(0.5, 0.65, 0.8, 0.9), failing=0):
    """Clusters are seen from a share on, a little less clearly by each draw, and below it by the first `failing`."""
    return Reach(
        "5 tight clusters",
        "5 clusters",
        0.65,
        ladder,
        lambda share, draw: SEEN * (1 + draw) if share >= least_seen or draw < failing else MISSED,
    )


@pytest.mark.parametrize(
    ("least_seen", "limit", "tried"),
    [
        (0.0, 0.5, (0.5, 0.65)),
        (0.6, 0.65, (0.5, 0.65)),
        (0.7, 0.8, (0.65, 0.8)),
        (0.9, 0.9, (0.65, 0.8, 0.9)),
        (1.0, None, (0.65, 0.8, 0.9)),
    ],
)
def test_sizes_are_tried_from_the_one_that_matters_to_the_limit(least_seen, limit, tried):
    found = reach(least_seen)
    assert (found.limit, found.suffices) == (limit, least_seen <= 0.65)
    assert tuple(one.share for one in found.rungs) == tried


def test_draws_end_with_the_first_that_is_not_confirmed():
    missed, seen = reach(0.6, failing=2).rungs
    assert missed == Rung(0.5, 2, 3, clopper_pearson(2, 3), False)
    assert (seen.share, seen.confirmed, seen.draws, seen.is_seen) == (0.65, 6, 6, True)


def test_a_size_is_seen_once_its_power_is_sure():
    """Draws just below the level show it by their number; further away, few are enough."""
    random = np.random.default_rng(1)
    spread = np.abs(random.standard_normal(31))
    for above, draws in ((0.0, 31), (0.5, 12), (4.0, 6)):
        found = rung(0.5, stats.norm.sf(stats.norm.isf(RATE / 2) + above + spread).__getitem__, COARSE)
        assert (found.confirmed, found.draws, found.is_seen) == (draws, draws, True)
        assert found.power.low >= LEAST_POWER
    only_just = replace(COARSE, looks=COARSE.looks[:-1])
    found = rung(0.5, stats.norm.sf(stats.norm.isf(RATE / 2) + spread).__getitem__, only_just)
    assert (found.confirmed, found.draws, found.is_seen) == (12, 12, False)
    assert 0.7 < found.power.low < LEAST_POWER


def test_draws_that_are_alike_are_counted():
    """All runs agree in all of them: a tenth of draws that are missed would not show."""
    found = rung(0.5, lambda draw: 2.0**-7, COARSE)
    assert found == Rung(0.5, 31, 31, clopper_pearson(31, 31), True)


@pytest.mark.parametrize(
    ("power", "taken"), [(0.8, 0.004), (0.9, 0.051), (0.95, 0.257), (0.99, 0.81), (0.999, 0.986)]
)
def test_how_often_a_power_is_taken_for_enough(power, taken):
    """Four of four took powers of 80 and 90 % for enough in 41 and 66 % of cases. Of 1000: three standard errors."""
    random = np.random.default_rng(0)
    deviates = stats.norm.isf(RATE / 2) + stats.norm.ppf(power) + random.standard_normal((1000, 31))
    found = [rung(0.5, p.__getitem__, COARSE).is_seen for p in stats.norm.sf(deviates)]
    assert abs(np.mean(found) - taken) < 3 * np.sqrt(taken * (1 - taken) / 1000) + 0.002


@pytest.mark.parametrize(("missed", "draws", "seen"), [(0, 100, True), (5, 100, True), (6, 6, False)])
def test_the_full_search_allows_one_draw_in_twenty_to_be_missed(missed, draws, seen):
    full = SEARCHES["full"]
    found = rung(0.5, lambda draw: SEEN if draw >= missed else MISSED, full)
    assert found == Rung(0.5, draws - missed, draws, clopper_pearson(draws - missed, draws), seen)


def test_a_size_is_planted_once_however_often_it_is_asked_for():
    asked = []
    found = Reach(
        "clusters", "clusters", 0.65, (0.5, 0.65), lambda share, draw: asked.append((share, draw)) or MISSED
    )
    assert not found.suffices
    assert found.rungs == found.rungs
    assert found.limit is None
    assert asked == [(0.65, 0)]


def test_the_full_search_goes_down_to_a_tenth_in_steps_that_hold_all_that_matters():
    shares = SEARCHES["full"].shares
    assert shares is not None
    np.testing.assert_allclose(np.diff(shares), 0.05)
    assert shares[0] == 0.1
    assert {0.3, 0.65} <= set(shares)
    assert COARSE.shares is None


def test_other_sizes_are_tried_only_where_they_are_told():
    asked = []
    found = Reach("clusters", "clusters", 0.65, (0.5, 0.65), lambda share, draw: asked.append(share) or SEEN)
    assert found.suffices
    assert set(asked) == {0.65}


def test_a_settled_reach_is_data_and_asks_for_nothing_more():
    asked = []
    found = Reach("clusters", "clusters", 0.65, (0.5, 0.65), lambda share, draw: asked.append(share) or SEEN)
    settled = found.settled()
    count = len(asked)
    again = pickle.loads(pickle.dumps(settled))
    assert (again.as_record(), again.sentence()) == (found.as_record(), found.sentence())
    assert len(asked) == count
    with pytest.raises(LookupError, match=r"draw 0 of 65 % was not asked for"):
        again.p_of(0.65, 0)


def said(found):
    """The verdict on effects that are clear of the bound, on the wrong side, and its words."""
    evidence = Evidence(FAILS, LABELS, reach=found)
    weighed = balance(evidence)
    verdict = decide(weighed, RATE / 2)
    return verdict, set(other_intervals(evidence, 0)), explain(verdict, evidence, weighed, 2 * weighed.p, 1)


def test_what_would_have_been_seen_is_refuted_and_the_words_say_from_where_on():
    verdict, others, words = said(reach(0.6, failing=1))
    assert (verdict, others) == (REFUTED, {REFUTED})
    assert "none of it above 0.25; there are no 5 tight clusters of 65 % of the variance or more" in words
    assert (
        "5 clusters planted here are seen at 50 % in 1 of 2 draws (a power of 1 % to 99 %), 65 % in 6 of "
        "6 draws (a power above 99 %)" in words
    )


@pytest.mark.parametrize(
    ("found", "unseen"),
    [(reach(0.7), "below 80 % of the variance"), (reach(1.0), "of 90 % of the variance")],
)
def test_what_would_not_have_been_seen_is_not_refuted(found, unseen):
    verdict, others, words = said(found)
    assert (verdict, others) == (UNDECIDED, {UNDECIDED})
    assert "none of it above 0.25, which refutes nothing" in words
    assert f"the instrument is not sure to see 5 tight clusters {unseen} here" in words
    assert "what matters begins at 65 %" in words


HOLDS = (Claim("falls", "share", np.linspace(0, 0.02, 7), high=0.05),)


@pytest.mark.parametrize(("least_seen", "verdict"), [(0.6, CONFIRMED), (1.0, UNDECIDED)])
def test_a_verdict_that_something_is_not_there_needs_to_have_seen_it_whichever_it_is(least_seen, verdict):
    found = reach(least_seen)
    evidence = Evidence(HOLDS, LABELS, absence=CONFIRMED, reach=found)
    weighed = balance(evidence)
    assert decide(weighed, RATE / 2) == verdict
    assert set(other_intervals(evidence, 0)) == {verdict}
    words = explain(verdict, evidence, weighed, 2 * weighed.p, 1)
    assert ("there are no 5 tight clusters" in words) == (verdict == CONFIRMED)
    assert ("all of it below 0.05, which confirms nothing" in words) == (verdict == UNDECIDED)


@pytest.mark.parametrize("confirmed", range(5))
def test_a_power_that_is_counted_has_the_interval_of_a_binomial_share(confirmed):
    exact = stats.binomtest(confirmed, 4).proportion_ci(0.95, "exact")
    p = [SEEN] * confirmed + [MISSED] * (4 - confirmed)
    assert counted(p) == pytest.approx((exact.low, exact.high))
    if confirmed < 4:
        assert extrapolated(p) == counted(p)
