"""Plateaus: stretches of depth over which tokens stay clustered in one partition."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from compare.metrics.variable import Variable

_SOURCE = "calibrated"
_INDEX = "index of depth; -1 where there is no plateau"

Agreement = Callable[[int, int], float]

VARIABLES = {
    "plateau_share": Variable(
        (),
        "share of depth on a plateau",
        "1",
        _SOURCE,
        "(b - a) / (depths - 1) of the longest plateau a..b: cluster_life_excess at least max(0.25, 2.5 standard "
        "deviations of the null) throughout, and on average 0.25 above the lowest of any depth; adjusted Rand index of "
        "consecutive partitions at least 0.8, of the ends at least 0.7, the largest over the partitions that live at "
        "least half as long as the longest of their depth; 3 depths or more; from none of them to a later one does the "
        "radius at which the clusters form grow by more than a factor exp(0.3), in itself or over the spread of the "
        "cloud, whichever grows less. Where that happens in a run of such depths from the first depth on, on a time "
        "axis with the depth behind it, the run has no plateau. 0 where there is none",
    ),
    "plateau_share_null": Variable(
        ("draw",),
        "share of depth on a plateau, null",
        "1",
        _SOURCE,
        "plateau_share of each common token rotation",
    ),
    "plateau_start": Variable((), "start of the longest plateau", "1", _SOURCE, _INDEX),
    "plateau_end": Variable((), "end of the longest plateau", "1", _SOURCE, _INDEX),
    "first_plateau_start": Variable((), "start of the first plateau", "1", _SOURCE, _INDEX),
    "first_plateau_end": Variable((), "end of the first plateau, as late as it can be", "1", _SOURCE, _INDEX),
    "plateau_share_effect": Variable(
        ("variant",),
        "plateau share over its null",
        "1",
        _SOURCE,
        "plateau_share less the mean of plateau_share_null, under each changed threshold",
    ),
}


class PlateauRule(NamedTuple):
    """What makes a plateau.

    least, deviations: a depth is on where the excess of its cluster life is at least the larger of `least` and
    `deviations` standard deviations of the null. successive, ends: least adjusted Rand index of consecutive partitions,
    and of the first with the last. depths: of the shortest plateau. loosening: the log of the radius at which the
    clusters form may rise by this much, in itself or over the spread of the cloud. rival: a depth is stood for by every
    partition that lives at least this share of its longest life, as near ties decide by chance which lives longest.
    contrast: how far the mean excess over a plateau must lie above the lowest of any depth. Clusters that are alike at
    all depths were neither formed nor lost.
    """

    least: float = 0.25
    deviations: float = 2.5
    successive: float = 0.8
    ends: float = 0.7
    depths: int = 3
    loosening: float = 0.3
    rival: float = 0.5
    contrast: float = 0.25


class Plateaus(NamedTuple):
    """Indices of depth, both ends inside, -1 where there is none: the longest plateau, and the first one."""

    start: int
    end: int
    first_start: int
    first_end: int


NONE = Plateaus(-1, -1, -1, -1)


class Course(NamedTuple):
    """What a trajectory is like at each depth.

    on: whether the cluster life stands out from the null. excess: of it over the mean of the null. onset: log of the
    radius at which the clusters form (`compare.metrics.calibrated.cluster_life.Life`). spread: log of the root mean
    square distance of the points from their mean. axis: "time" or "layer".
    """

    on: Bool[np.ndarray, " depth"]
    excess: Float[np.ndarray, " depth"]
    onset: Float[np.ndarray, " depth"]
    spread: Float[np.ndarray, " depth"]
    axis: str

    def loosening(self, start: int, end: int) -> float:
        """The most that the log radius rises from one of these depths to a later one, at least 0.

        It is taken in itself and over the spread, and the lesser counts: in a cloud that widens as a whole, where a
        common mean gets shorter, the clusters widen with it, and in one that contracts tight clusters take up more of
        it. Neither is a loosening.
        """
        inside = slice(start, end + 1)
        return min(
            float(np.max(radius - np.minimum.accumulate(radius)))
            for radius in (self.onset[inside], self.onset[inside] - self.spread[inside])
        )

    def contrast(self, start: int, end: int) -> float:
        """How far the mean excess over these depths lies above the lowest of any depth."""
        return float(self.excess[start : end + 1].mean() - self.excess.min())


def together(labels: Int[np.ndarray, "partition token"]) -> Float[np.ndarray, "partition pair"]:
    """Whether a partition puts two tokens together, 1 or 0, for all ordered pairs of tokens."""
    same = labels[:, :, None] == labels[:, None, :]
    return same.reshape(len(labels), -1).astype(np.float64)


def adjusted_rand(
    left: Float[np.ndarray, "left pair"], right: Float[np.ndarray, "right pair"]
) -> Float[np.ndarray, "left right"]:
    """Adjusted Rand index of all partitions on the left with all on the right, each as `together` gives it.

    1 where two are equal, 0 in the mean by chance; 1 too where both put every token alone, or all tokens together.
    All sums are of integers, and exact. Cost: one matrix product.
    """
    tokens = np.sqrt(left.shape[1])
    shared, rows, columns = (
        (pairs - tokens) / 2 for pairs in (left @ right.T, left.sum(axis=1)[:, None], right.sum(axis=1))
    )
    pairs = tokens * (tokens - 1) / 2
    chance = rows * columns / pairs if pairs else 0 * rows * columns
    most = (rows + columns) / 2
    same = most == chance
    return np.where(same, 1.0, (shared - chance) / np.where(same, 1.0, most - chance))


def plateaus(course: Course, agreement: Agreement, rule: PlateauRule) -> Plateaus:
    """The longest and the first plateau of a trajectory.

    A run is as many depths as there are in a row that are all on and of which consecutive partitions agree. A plateau
    is a segment a..b of a run, of enough depths, whose ends agree, within which the clusters do not loosen, and which
    stands out from the depth with least of them. What comes behind it does not count: a stage may dissolve. But a run
    from the first depth on, within which the clusters loosen, has no plateau: nobody saw them form, and clusters that
    melt were only slow at first. In log time every start looks still, and the depth behind such a run counts too. The
    longest plateau has most depths, the earliest on a tie; the first one starts earliest and is as long as it can be.

    Arguments: course; agreement, the adjusted Rand index of two depths that are on; rule.

    That a partition stays and does not loosen is all that a plateau certifies: its clusters may still move or tighten.
    """

    def stays(start: int, end: int) -> bool:
        return (
            agreement(start, end) >= rule.ends
            and course.loosening(start, end) <= rule.loosening
            and course.contrast(start, end) >= rule.contrast
        )

    found = []
    for first, last in _runs(course.on, agreement, rule):
        behind = min(last + 1, len(course.on) - 1) if course.axis == "time" else last
        if first == 0 and course.loosening(first, behind) > rule.loosening:
            continue
        for start in range(first, last - rule.depths + 2):
            ends = range(last, start + rule.depths - 2, -1)
            end = next((end for end in ends if stays(start, end)), None)
            if end is not None:
                found.append((start, end))
    if not found:
        return NONE
    return Plateaus(*max(found, key=lambda ends: (ends[1] - ends[0], -ends[0])), *found[0])


def _runs(
    on: Bool[np.ndarray, " depth"], agreement: Agreement, rule: PlateauRule
) -> Iterator[tuple[int, int]]:
    """First and last depth of each run that is long enough."""
    first = 0
    for depth in range(len(on)):
        goes_on = on[depth : depth + 2].sum() == 2 and agreement(depth, depth + 1) >= rule.successive
        if not goes_on:
            if depth - first + 1 >= rule.depths:
                yield first, depth
            first = depth + 1


def share(found: Plateaus, depths: int) -> float:
    """D = (b - a) / (depths - 1) of the longest plateau, 0 where there is none."""
    return (found.end - found.start) / (depths - 1) if depths > 1 else 0.0
