"""What a hypothesis is, and the thresholds and words that many of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from compare.judging.chart import Picture
from compare.judging.evidence import Evidence
from compare.judging.group import Group, Thresholds

GRID = 5


@dataclass(frozen=True)
class Threshold:
    """A number that a verdict depends on, and the range over which the verdict is asked again.

    name: of it. value: the one used. low, high: ends of the range, equal where it is not varied. meaning: in words.
    """

    name: str
    value: float | int
    low: float | int
    high: float | int
    meaning: str

    def sweep(self) -> tuple[float | int, ...]:
        """Values over the range, evenly spaced, whole numbers where the threshold is one; none where it is fixed."""
        if self.low == self.high:
            return ()
        values = np.linspace(self.low, self.high, GRID)
        if isinstance(self.value, int):
            return tuple(sorted({round(float(value)) for value in values}))
        return tuple(float(value) for value in values)


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A claim, the rule by which runs decide it, and the chart that shows what the rule saw.

    id: "H1" to "H7" for the post's, "P..." for the theory's own. statement: what is claimed. source: who claims it.
    applies_to: the runs that it speaks of. statistic, unit: one number a run. null: what that number is held against.
    smallest: the least effect that matters, a threshold of the rule; None where nothing is judged. rule: when it is
    CONFIRMED. refuted_by: when it is REFUTED. others: all other numbers that the rule uses. evidence: what a group has
    to say about it. variants: the names, among the variants that ``measure(preset="calibrated")`` knows, that the
    statistic depends on. across: whether it is put once, to all groups together. whole: whether it is about whole
    points, rogue coordinates with them. chart: what stands behind the verdict on a group. fitted: of a statistic that
    is a slope over all runs, what each run gives to the fit.
    """

    id: str
    statement: str
    source: str
    applies_to: str
    statistic: str
    unit: str
    null: str
    smallest: Threshold | None
    rule: str
    refuted_by: str
    others: tuple[Threshold, ...] = ()
    evidence: Callable[[Group, Thresholds], Evidence]
    variants: tuple[str, ...] = ()
    across: bool = False
    whole: bool = False
    chart: Picture | None = None
    fitted: Mapping[str, str] = field(default_factory=dict)

    @property
    def smallest_effect(self) -> float:
        """The least that matters, NaN where nothing is judged."""
        return np.nan if self.smallest is None else float(self.smallest.value)

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """All numbers that the rule uses, the smallest effect first."""
        return self.others if self.smallest is None else (self.smallest, *self.others)

    @property
    def at(self) -> dict[str, float | int]:
        """The thresholds' values by name."""
        return {threshold.name: threshold.value for threshold in self.thresholds}


RUNS = Threshold("runs", 6, 6, 6, "prompts or seeds needed; fewer give no 95 % interval for a median")
GATE = Threshold("gate", 0.001, 0.0001, 0.01, "level at which the order of depth must matter")
DEPTHS = Threshold("depths", 6, 6, 6, "depths needed; fewer have too few orders")
TOKENS = Threshold("tokens", 32, 24, 40, "different tokens needed; fewer cut true clusters off")
MATTERS = Threshold(
    "matters",
    0.65,
    0.65,
    0.65,
    "share of the variance from which on clusters matter: planted, they must be confirmed",
)
CLOSE = Threshold(
    "close",
    0.2,
    0.15,
    0.25,
    "closeness to the nearest neighbour, beyond the null, from which on there may be many small clusters",
)
SEEN = (
    "clusters that hold the share `matters` of the variance, planted in the same runs, would be confirmed, and "
    "tokens are surely by less than `close` nearer to their nearest neighbours than in the null"
)
LEAST_LIFE, LIFE_UNIT = 0.25, "natural log of a radius range"
DYNAMICS = (RUNS, GATE, DEPTHS, TOKENS)
CLUSTER_VARIANTS = ("neighbour", "floor", "fewest", "most", "component", "coverage")
ROTATION = (
    "one random rotation of the tokens, the same at all depths: keeps means and covariances, loses clusters"
)
ABOVE = "lower end of the 95 % interval over runs above the smallest effect"
BELOW = "upper end of the 95 % interval over runs below the smallest effect"
EVERY_RUN = "any runs of 6 depths and 32 different tokens or more"
THEORY = "simulations of SA or USA with Q = K = V = 1, without a mask"
