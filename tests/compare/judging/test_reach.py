"""What a refutation excludes follows from the sizes that were seen, and without them nothing is refuted."""

import numpy as np
import pytest
from scipy import stats

from compare.judging.evidence import (
    RATE,
    REFUTED,
    UNDECIDED,
    Claim,
    Evidence,
    balance,
    decide,
    other_intervals,
)
from compare.judging.explain import explain
from compare.judging.reach import Reach, Rung

LABELS = tuple(f"run {place}" for place in range(7))
FAILS = (Claim("excess", "nat", np.linspace(-0.1, 0.1, 7), low=0.25),)


def reach(**confirmed):
    """Of 4 draws at each share in percent; 65 % is what matters."""
    rungs = tuple(Rung(int(name[1:]) / 100, number, 4) for name, number in confirmed.items())
    return Reach("5 tight clusters", 5, 0.65, rungs)


@pytest.mark.parametrize(
    ("found", "limit", "suffices"),
    [
        (reach(s50=1, s65=4), 0.65, True),
        (reach(s50=4, s65=4), 0.5, True),
        (reach(s65=3, s80=4), 0.8, False),
        (reach(s65=0, s80=0, s90=3), None, False),
        (reach(s50=4, s65=3, s80=4), 0.8, False),  # what is seen below a size that is not does not count
    ],
)
def test_the_limit_is_the_least_size_from_which_on_all_are_seen(found, limit, suffices):
    assert (found.limit, found.suffices) == (limit, suffices)


def said(found):
    """The verdict on effects that are clear of the bound, on the wrong side, and its words."""
    evidence = Evidence(FAILS, LABELS, reach=found)
    weighed = balance(evidence)
    verdict = decide(weighed, RATE / 2)
    return verdict, set(other_intervals(evidence, 0)), explain(verdict, evidence, weighed, 2 * weighed.p, 1)


def test_what_would_have_been_seen_is_refuted_and_the_words_say_from_where_on():
    verdict, others, words = said(reach(s50=1, s65=4))
    assert (verdict, others) == (REFUTED, {REFUTED})
    assert "none of it above 0.25; there are no 5 tight clusters of 65% of the variance or more" in words
    assert "confirmed at 50% in 1 of 4 draws (a power of 1% to 81%), 65% in 4 of 4 draws" in words


@pytest.mark.parametrize(
    ("found", "unseen"),
    [(reach(s65=3, s80=4), "below 80% of the variance"), (reach(s65=0, s90=0), "of 90% of the variance")],
)
def test_what_would_not_have_been_seen_is_not_refuted(found, unseen):
    verdict, others, words = said(found)
    assert (verdict, others) == (UNDECIDED, {UNDECIDED})
    assert "none of it above 0.25, which refutes nothing" in words
    assert f"the instrument does not see 5 tight clusters {unseen} here" in words
    assert "what matters begins at 65%" in words


@pytest.mark.parametrize("confirmed", range(5))
def test_the_power_has_the_interval_of_a_binomial_share(confirmed):
    exact = stats.binomtest(confirmed, 4).proportion_ci(0.95, "exact")
    assert Rung(0.5, confirmed, 4).interval == pytest.approx((exact.low, exact.high))
