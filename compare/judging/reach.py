"""How far a refutation reaches: the planted clusters that the same rule confirms in the same runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from compare.statistics import Interval, clopper_pearson

DRAWS = 4
LADDER = (0.5, 0.65, 0.8, 0.9)
"""Shares of the variance that are tried for tight clusters."""


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.0f} %"


class Rung(NamedTuple):
    """Clusters of one size, planted anew in each draw, and in how many of the draws the rule confirmed them.

    share: of the variance about the mean that they hold. draws: up to the first that is not confirmed.
    """

    share: float
    confirmed: int
    draws: int

    @property
    def is_seen(self) -> bool:
        """Whether every draw was confirmed."""
        return self.confirmed == self.draws

    @property
    def interval(self) -> Interval:
        """Of the power, the share of draws that are confirmed, at 95 %, by Clopper and Pearson.

        Where draws end at the first that is not confirmed its upper end is exact all the same, and its lower one low.
        """
        return clopper_pearson(self.confirmed, self.draws)


def rung(share: float, confirms: Callable[[int], bool]) -> Rung:
    """As many draws as are confirmed, and the first that is not; at most `DRAWS`."""
    for draw in range(DRAWS):
        if not confirms(draw):
            return Rung(share, draw, draw + 1)
    return Rung(share, DRAWS, DRAWS)


@dataclass(frozen=True)
class Reach:
    """What was planted in the runs of a group, and what of it the rule saw.

    sought: what a refutation excludes, as "3 to 5 clusters". planted: how many clusters were planted. matters: the
    least share of the variance that matters. ladder: the shares that can be tried, `matters` among them. confirms:
    whether draw number so and so of clusters of such a share is confirmed; asked when it is needed.
    """

    sought: str
    planted: int
    matters: float
    ladder: tuple[float, ...]
    confirms: Callable[[float, int], bool]

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
        return rung(share, lambda draw: self.confirms(share, draw))

    def sentence(self) -> str:
        """What a refutation excludes, or why nothing is refuted, without full stop."""
        tried = f"{self.planted} planted are confirmed at {', '.join(map(_counted, self.rungs))}"
        if self.suffices:
            return (
                f"there are no {self.sought} of {percent(self.limit or self.matters)} of the variance or more, "
                f"which would have been seen here ({tried}); of smaller ones nothing is said"
            )
        unseen = (
            f"of {percent(self.rungs[-1].share)}" if self.limit is None else f"below {percent(self.limit)}"
        )
        return (
            f"the instrument does not see {self.sought} {unseen} of the variance here ({tried}), and what matters "
            f"begins at {percent(self.matters)}, so nothing is refuted"
        )

    def as_record(self) -> Mapping[str, Any]:
        """As plain values, for a table."""
        rungs = [{**one._asdict(), "low": one.interval.low, "high": one.interval.high} for one in self.rungs]
        return {
            "sought": self.sought,
            "planted": self.planted,
            "matters": self.matters,
            "limit": self.limit,
            "rungs": rungs,
        }


def _counted(one: Rung) -> str:
    low, high = one.interval
    counted = f"{one.confirmed} of {one.draws} draws"
    return f"{percent(one.share)} in {counted} (a power of {percent(low)} to {percent(high)})"
