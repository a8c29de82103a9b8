"""How far it reaches that something is not there: what of it, planted in the same runs, the same rule sees."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from compare.statistics import Interval, clopper_pearson

ABSENT = (
    "there are no {sought} of {size} of {of} or more, which would have been seen here ({tried}); of smaller ones "
    "nothing is said"
)
"""What is said where all that matters would have been seen."""

LADDER = (0.5, 0.65, 0.8, 0.9)
"""Shares of the variance that are tried for tight clusters."""


@dataclass(frozen=True)
class Search:
    """How a detection limit is sought: how often each size is planted, and how many draws must be confirmed.

    draws: of a size, at most. enough: of these, for the size to be seen. shares: the sizes; None for the few that each
    hypothesis names.
    """

    draws: int
    enough: int
    shares: tuple[float, ...] | None = None


SEARCHES: Mapping[str, Search] = {
    "coarse": Search(draws=4, enough=4),
    "full": Search(draws=100, enough=95, shares=tuple(step / 20 for step in range(2, 20))),
}
"""coarse: 4 of 4, which shows a power of 40 % at least (95 % interval). full: 95 of 100, in steps of 5 %."""
COARSE = SEARCHES["coarse"]


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.0f} %"


def size_in_words(share: float) -> str:
    """A size that is tried, with the digits that it has: falls are tried in steps of half a percent."""
    return f"{round(100 * share, 6):g} %"


class Rung(NamedTuple):
    """What was planted in one size, anew in each draw, and in how many of the draws the rule saw it.

    share: its size, as of `Reach.of`. draws: made, up to the one that left too few to be enough. is_seen: whether
    enough of them were confirmed.
    """

    share: float
    confirmed: int
    draws: int
    is_seen: bool

    @property
    def interval(self) -> Interval:
        """Of the power, the share of draws in which it is seen, at 95 %, by Clopper and Pearson.

        Where draws end early its upper end is exact all the same, and its lower one low.
        """
        return clopper_pearson(self.confirmed, self.draws)


def rung(share: float, sees: Callable[[int], bool], search: Search) -> Rung:
    """All draws of a search, or those up to the one after which enough cannot be confirmed any more."""
    confirmed, draw = 0, 0
    while draw < search.draws and draw - confirmed <= search.draws - search.enough:
        confirmed += sees(draw)
        draw += 1
    return Rung(share, confirmed, draw, confirmed >= search.enough)


@dataclass(frozen=True)
class Reach:
    """What was planted in the runs of a group, and what of it the rule saw.

    sought: what is excluded, as "3 to 5 clusters". planted: what was planted, as "5 clusters". matters: the least share
    that matters. ladder: the shares that can be tried, `matters` among them. sees: whether draw number so and so of
    such a share is seen; asked when it is needed. search: how often each share is tried. of: what the shares are shares
    of. is_effect: whether shares are what the effect of the row is. words: of the sentence where what matters would
    have been seen, with places for `sought`, `size`, `of` and `tried`. tried: what has been asked, by share.
    """

    sought: str
    planted: str
    matters: float
    ladder: tuple[float, ...]
    sees: Callable[[float, int], bool]
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
            self.tried[share] = rung(share, lambda draw: self.sees(share, draw), self.search)
        return self.tried[share]

    def settled(self) -> "Reach":
        """The same once all that is told of it has been asked: data, which another process can be given."""
        return replace(self, sees=_seen_already, tried={one.share: one for one in self.rungs})

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
                "low": one.interval.low,
                "high": one.interval.high,
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


def _seen_already(share: float, draw: int) -> bool:
    raise LookupError(f"draw {draw} of {size_in_words(share)} was not asked for before the reach was settled")


def _counted(one: Rung) -> str:
    low, high = one.interval
    counted = f"{one.confirmed} of {one.draws} draws"
    return f"{size_in_words(one.share)} in {counted} (a power of {percent(low)} to {percent(high)})"
