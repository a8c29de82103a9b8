"""How far a refutation reaches: the planted clusters that the same rule confirms in the same runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from compare.statistics import Interval, clopper_pearson


class Rung(NamedTuple):
    """Clusters of one size, planted anew in each draw, and in how many of the draws the rule confirmed them.

    share: of the variance about the mean that they hold.
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
        """Of the power, the share of draws that are confirmed, at 95 %, by Clopper and Pearson."""
        return clopper_pearson(self.confirmed, self.draws)


@dataclass(frozen=True)
class Reach:
    """What was planted in the runs of a group, and what of it the rule saw.

    sought: what a refutation excludes, as "3 to 5 clusters". planted: how many clusters were planted. matters: the
    least share of the variance that matters. rungs: the sizes tried, by share, `matters` among them.
    """

    sought: str
    planted: int
    matters: float
    rungs: tuple[Rung, ...]

    @property
    def limit(self) -> float | None:
        """The detection limit: the least share from which on every size tried is seen; None where there is none."""
        found = None
        for rung in reversed(self.rungs):
            if not rung.is_seen:
                break
            found = rung.share
        return found

    @property
    def suffices(self) -> bool:
        """Whether what matters would have been seen."""
        return self.limit is not None and self.limit <= self.matters

    def sentence(self) -> str:
        """What a refutation excludes, or why nothing is refuted, without full stop."""
        tried = f"{self.planted} planted are confirmed at {', '.join(map(_counted, self.rungs))}"
        if self.suffices:
            return (
                f"there are no {self.sought} of {self.limit:.0%} of the variance or more, which would have been seen "
                f"here ({tried}); of smaller ones nothing is said"
            )
        unseen = f"of {self.rungs[-1].share:.0%}" if self.limit is None else f"below {self.limit:.0%}"
        return (
            f"the instrument does not see {self.sought} {unseen} of the variance here ({tried}), and what matters "
            f"begins at {self.matters:.0%}, so nothing is refuted"
        )

    def as_record(self) -> Mapping[str, Any]:
        """As plain values, for a table."""
        rungs = [
            {**rung._asdict(), "low": rung.interval.low, "high": rung.interval.high} for rung in self.rungs
        ]
        return {
            "sought": self.sought,
            "planted": self.planted,
            "matters": self.matters,
            "limit": self.limit,
            "rungs": rungs,
        }


def _counted(rung: Rung) -> str:
    low, high = rung.interval
    return f"{rung.share:.0%} in {rung.confirmed} of {rung.draws} draws (a power of {low:.0%} to {high:.0%})"
