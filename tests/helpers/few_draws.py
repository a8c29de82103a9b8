"""One draw of what is planted, for tests of what is made of verdicts and not of how far they reach."""

from unittest import mock

from compare.judging.reach import SEARCHES, Search, is_seen
from compare.statistics import Interval


def _as_the_draw(p):
    return Interval(float(is_seen(p[-1])), 1.0)


def few_draws():
    """In this block the default search is content with one draw."""
    once = Search(looks=(1,), missed=0, power=_as_the_draw, plantings=SEARCHES["coarse"].plantings)
    return mock.patch.dict(SEARCHES, coarse=once)
