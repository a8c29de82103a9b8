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
LEAST_POWER = 0.95
"""Share of draws in which a size must be seen."""


def is_seen(p: float) -> bool:
    """Whether a draw is confirmed, at this one-sided p."""
    return p <= RATE / 2


def counted(p: Sequence[float]) -> Interval:
    """Of the power, from how many of the draws are seen: by Clopper and Pearson."""
    return clopper_pearson(sum(map(is_seen, p)), len(p))


def extrapolated(p: Sequence[float]) -> Interval:
    """The same, or from how clearly draws are seen where all are and that shows more: `power_interval`."""
    by_number = counted(p)
    if not all(map(is_seen, p)):
        return by_number
    return Interval(max(by_number.low, power_interval(p, RATE / 2).low), by_number.high)


@dataclass(frozen=True)
class Search:
    """How a detection limit is sought: how often each size is planted, and when it is seen.

    A size is seen where no more than `missed` of its draws are not, and its `power`, the interval of the share of draws
    in which it is seen, begins at `least_power` at least. That is asked after each number of draws in `looks`, and
    draws end once it is so, with the last look, or once too many are missed. plantings: draws that are made of
    attention, which is read once. shares: the sizes; None for the few that each hypothesis names.
    """

    looks: tuple[int, ...]
    missed: int
    power: Callable[[Sequence[float]], Interval]
    least_power: float
    plantings: int
    shares: tuple[float, ...] | None = None


SEARCHES: Mapping[str, Search] = {
    "coarse": Search((4, 8, 16, 32, 72), 0, extrapolated, LEAST_POWER, PLANTINGS),
    "full": Search((100,), 5, counted, 0.0, plantings=100, shares=tuple(step / 20 for step in range(2, 20))),
}
"""coarse: as many draws as show a power of 95 %, 4 where they are clear and 72 where they only just are, none missed.
By a normal law it takes a power of 80, 90 and 95 % for enough in 1, 2 and 11 % of cases, of 99 and 99.9 % in 70 and 98.
full: 95 of 100 draws, in steps of 5 %.
"""
COARSE = SEARCHES["coarse"]


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.0f} %"


def size_in_words(share: float) -> str:
    """A size that is tried, with the digits that it has: falls are tried in steps of half a percent."""
    return f"{round(100 * share, 6):g} %"


class Rung(NamedTuple):
    """What was planted in one size, anew in each draw, and in how many of the draws the rule saw it.

    share: its size, as of `Reach.of`. draws: made, as the search asks. power: the 95 % interval of the share of draws
    in which it would be seen; where draws ended early by a count its upper end is exact, and its lower one low.
    is_seen: whether the search is content.
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
        found = len(p) in search.looks and search.power(p).low >= search.least_power
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
            f"the instrument does not see {self.sought} {unseen} of {self.of} here ({tried}), and what matters "
            f"begins at {size_in_words(self.matters)}, so that it does not exclude them"
        )

    def as_record(self) -> Mapping[str, Any]:
        """As plain values, for a table."""
        rungs = [
            {
                "share": one.share,
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
    low, high = one.power
    counted = f"{one.confirmed} of {one.draws} draws"
    return f"{size_in_words(one.share)} in {counted} (a power of {percent(low)} to {percent(high)})"
