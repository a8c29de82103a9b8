"""How far it reaches that something is not there: what of it, planted in the same runs, the same rule sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from compare.metrics.calibrated.attention import PLANTINGS
from compare.statistics import RATE, Interval, clopper_pearson, power_interval

ABSENT = (
    "there are no {sought} of {size} of {of} or more, which would have been seen here ({tried}); of smaller ones "
    "nothing is said"
)
"""What is said where all that matters would have been seen."""

LADDER = (0.5, 0.65, 0.8, 0.9)
"""Shares of the variance that are tried for tight clusters."""


def is_seen(p: float) -> bool:
    """Whether a draw is confirmed at this one-sided p, at 2.5 %: that of a single row, before correction."""
    return p <= RATE / 2


def counted(p: Sequence[float]) -> Interval:
    """Of the power, from how many of the draws are seen: by Clopper and Pearson."""
    return clopper_pearson(sum(map(is_seen, p)), len(p))


def extrapolated(p: Sequence[float]) -> Interval:
    """The same, or from how clearly draws are seen where all are and that shows more: `power_interval`, at 98 %."""
    by_number = counted(p)
    if not all(map(is_seen, p)):
        return by_number
    return Interval(max(by_number.low, power_interval(p, RATE / 2, level=0.98).low), by_number.high)


LEAST_POWER = counted([0.0] * 95 + [1.0] * 5).low
"""Where the power must begin, 89 %: at the lower end that 95 of 100 draws have."""


def _all_or_nothing(p: Sequence[float]) -> Interval:
    return Interval(float(all(map(is_seen, p))), 1.0)


@dataclass(frozen=True)
class Search:
    """How a detection limit is sought: how often each size is planted, and when it is seen.

    A size is seen where no more than `missed` of its draws are not, and its `power`, the interval of the share of draws
    in which it is seen, begins at `LEAST_POWER` at least. That is asked after each number of draws in `looks`, and
    draws end once it is so, with the last look, or once too many are missed. plantings: draws that are made of
    attention, which is read once. shares: the sizes; None for the few that each hypothesis names.
    """

    looks: tuple[int, ...]
    missed: int
    power: Callable[[Sequence[float]], Interval]
    plantings: int
    shares: tuple[float, ...] | None = None


SEARCHES: Mapping[str, Search] = {
    "coarse": Search(looks=(6, 12, 31), missed=0, power=extrapolated, plantings=PLANTINGS),
    "full": Search(
        looks=(100,),
        missed=5,
        power=counted,
        plantings=100,
        shares=tuple(step / 20 for step in range(2, 20)),
    ),
}
"""coarse: 6 draws where they are clear, 31 where they only just are, none missed. It takes a power of 80, 90 and 95 %
for enough in 0.4, 5 and 26 % of cases, and of 99 and 99.9 % in 81 and 99 %, where deviates are normal. full: 95 of 100
draws, which those powers have in 0, 6, 62, 100 and 100 % of cases.
"""
DEFAULT = "coarse"
COARSE = SEARCHES[DEFAULT]


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.0f} %"


def power_in_words(low: float, high: float = 1.0) -> str:
    """An interval of the power, or its lower end where it goes to 1."""
    if high < 1:
        return f"of {percent(low)} to {percent(high)}"
    return f"of {percent(low)} or more" if low < 0.99 else "above 99 %"


def size_in_words(share: float) -> str:
    """A size that is tried, with the digits that it has: falls are tried in steps of half a percent."""
    return f"{round(100 * share, 6):g} %"


class Rung(NamedTuple):
    """What was planted in one size, anew in each draw, and in how many of the draws the rule saw it.

    share: its size, as of `Reach.of`. draws: made, as the search asks, with one null. confirmed: how many of them, each
    as a single row. power: the interval of the share of draws in which it would be seen, as it was when draws
    ended. is_seen: whether the search is content.
    """

    share: float
    confirmed: int
    draws: int
    power: Interval
    is_seen: bool


def rung(share: float, p_of: Callable[[int], float], search: Search) -> Rung:
    """The draws of a search, of one size. p_of: the one-sided p at which a draw is confirmed, by its number."""
    p: list[float] = []
    missed, found = 0, False
    while len(p) < search.looks[-1] and missed <= search.missed and not found:
        p.append(p_of(len(p)))
        missed += not is_seen(p[-1])
        found = len(p) in search.looks and search.power(p).low >= LEAST_POWER
    return Rung(share, len(p) - missed, len(p), search.power(p), found and missed <= search.missed)


@dataclass(frozen=True)
class Reach:
    """What was planted in the runs of a group, and what of it the rule saw.

    sought: what is excluded, as "3 to 5 clusters". planted: what was planted, as "5 clusters". matters: the least share
    that matters. ladder: the shares that can be tried, `matters` among them. p_of: the one-sided p at which such a
    share is confirmed in draw number so and so; asked when it is needed. search: how often each share is tried. of:
    what the shares are shares of. is_effect: whether shares are what the effect of the row is. words: of the sentence
    where what matters would have been seen, with places for `sought`, `size`, `of` and `tried`. tried: what has been
    asked, by share.
    """

    sought: str
    planted: str
    matters: float
    ladder: tuple[float, ...]
    p_of: Callable[[float, int], float]
    search: Search = COARSE
    of: str = "the variance"
    is_effect: bool = False
    words: str = ABSENT
    tried: dict[float, Rung] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def suffices(self) -> bool:
        """Whether what matters would have been seen."""
        return self._rung(self.matters).is_seen

    @property
    def draws(self) -> int:
        """How often what matters has been planted."""
        return self._rung(self.matters).draws

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """The sizes tried, by share: down from the one that matters as long as they are seen, or up until one is."""
        beyond = [share for share in self.ladder if share != self.matters]
        if self.suffices:
            others = sorted((share for share in beyond if share < self.matters), reverse=True)
        else:
            others = sorted(share for share in beyond if share > self.matters)
        found = [self._rung(self.matters)]
        for share in others:
            found.append(self._rung(share))
            if found[-1].is_seen != self.suffices:
                break
        return tuple(sorted(found))

    @property
    def limit(self) -> float | None:
        """The detection limit: the least share tried that is seen; None where there is none."""
        return next((one.share for one in self.rungs if one.is_seen), None)

    def _rung(self, share: float) -> Rung:
        if share not in self.tried:
            self.tried[share] = rung(share, lambda draw: self.p_of(share, draw), self.search)
        return self.tried[share]

    def briefly(self, draws: int) -> "Reach":
        """The same question, for which it is enough that all of so many draws are seen."""
        search = Search(looks=(draws,), missed=0, power=_all_or_nothing, plantings=draws)
        return replace(self, search=search, tried={})

    def settled(self) -> "Reach":
        """The same once all that is told of it has been asked: data, which another process can be given."""
        return replace(self, p_of=_known_already, tried={one.share: one for one in self.rungs})

    def sentence(self) -> str:
        """What is excluded, or why nothing is, without full stop."""
        tried = f"{self.planted} planted here are seen at {', '.join(map(_counted, self.rungs))}"
        if self.suffices:
            size = size_in_words(self.limit or self.matters)
            return self.words.format(sought=self.sought, size=size, of=self.of, tried=tried)
        unseen = (
            f"of {size_in_words(self.rungs[-1].share)}"
            if self.limit is None
            else f"below {size_in_words(self.limit)}"
        )
        return (
            f"the instrument is not sure to see {self.sought} {unseen} of {self.of} here ({tried}), and what matters "
            f"begins at {size_in_words(self.matters)}, so that it does not exclude them"
        )

    def as_record(self) -> Mapping[str, Any]:
        """As plain values, for a table."""
        rungs = [
            {
                "share": one.share,
                "is_seen": one.is_seen,
                "confirmed": one.confirmed,
                "draws": one.draws,
                "low": one.power.low,
                "high": one.power.high,
            }
            for one in self.rungs
        ]
        return {
            "sought": self.sought,
            "planted": self.planted,
            "of": self.of,
            "is_effect": self.is_effect,
            "matters": self.matters,
            "limit": self.limit,
            "rungs": rungs,
        }


def _known_already(share: float, draw: int) -> float:
    raise LookupError(f"draw {draw} of {size_in_words(share)} was not asked for before the reach was settled")


def _counted(one: Rung) -> str:
    power = power_in_words(*one.power)
    return f"{size_in_words(one.share)} in {one.confirmed} of {one.draws} draws (a power {power})"
