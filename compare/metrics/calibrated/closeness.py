"""Closeness: how near tokens are to their nearest neighbour, which clusters of any number and size raise."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from compare.metrics.variable import Variable

_SOURCE = "calibrated"

VARIABLES = {
    "closeness_excess": Variable(
        ("depth",),
        "excess of closeness",
        "nat",
        _SOURCE,
        "mean over tokens of log(s / r), with r the chord to the nearest other token and s the root mean square "
        "distance of the points from their mean, both 0.01 at least, less the mean of the null: clusters raise it "
        "whatever their number, pairs of tokens too",
    ),
    "late_closeness": Variable(
        (), "late closeness", "nat", _SOURCE, "mean of closeness_excess over the last third of the depths"
    ),
    "stage_closeness": Variable(
        (),
        "closeness over the best third",
        "nat",
        _SOURCE,
        "largest mean of closeness_excess over a third of the depths in a row, less the mean of what draws reach in "
        "the same way",
    ),
}


class Closeness(NamedTuple):
    """As in `VARIABLES`."""

    closeness_excess: Float[np.ndarray, " depth"]
    late_closeness: float
    stage_closeness: float


def closeness(own: Float[np.ndarray, " depth"], null: Float[np.ndarray, "draw depth"]) -> Closeness:
    """What `VARIABLES` say, from the mean log(s / r) of each cloud of the data and of the null draws."""
    third = math.ceil(len(own) / 3)
    excess = own - null.mean(axis=0)
    return Closeness(excess, float(excess[-third:].mean()), best_stretch(own, null, third))


def best_stretch(
    own: Float[np.ndarray, " depth"], null: Float[np.ndarray, "draw depth"], depths: int
) -> float:
    """Largest mean excess over so many depths in a row, less the mean of what the draws reach in the same way."""
    mean = null.mean(axis=0)
    reached, drawn = (
        sliding_window_view(each - mean, depths, axis=-1).mean(axis=-1).max(axis=-1) for each in (own, null)
    )
    return float(reached - drawn.mean())


def nothing(depths: int) -> dict[str, Any]:
    """Of too few tokens."""
    return Closeness(np.zeros(depths), 0.0, 0.0)._asdict()
