"""Tokens on the sphere over depth, as an animation: coordinates for the page's player, and one mark a token."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Int
from markupsafe import Markup

from compare.plot.tokens import depth_name, projected
from compare.plotting import COLOURS
from compare.reporting.charts import GREY, marker
from sim import Trajectory

UNITS = 1000
MOST_DEPTHS = 26
DOT = 3.2
SMALL_DOT = 2.3


class Mark(NamedTuple):
    """What stands for one token: a shape about the origin in the colour that its parent has, that colour, its name."""

    shape: Markup
    colour: str
    name: str


@dataclass(frozen=True)
class Player:
    """What the page's player moves.

    depths: their labels. points: for each depth up, side and towards of each token in turn, in thousandths of the
    radius. marks: one a token. share: of the squared length that the three axes carry.
    clusters: how many clusters the marks tell apart, 0 where there is none; clustered: the depth that they are of.
    """

    depths: list[str]
    points: list[list[int]]
    marks: tuple[Mark, ...]
    share: float
    clusters: int
    clustered: str


def player(trajectory: Trajectory, measured: xr.Dataset | None = None) -> Player:
    """The animation of one run, at 26 of its depths at most.

    Points are projected on the principal axes of the whole run, then to the unit sphere in these three dimensions;
    the leading axis is up. A token's colour and shape are those of its cluster at the last depth with clusters, by the
    calibrated partition; small grey circles are in none.
    """
    points, share = projected(trajectory.points)
    count = len(points)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_DEPTHS)).round().astype(int))
    labels, clustered = _labels(trajectory, measured)
    return Player(
        [depth_name(trajectory, int(index)) for index in chosen],
        [np.round(UNITS * points[index]).astype(int).ravel().tolist() for index in chosen],
        tuple(_mark(label, _name(trajectory, token)) for token, label in enumerate(labels.tolist())),
        share,
        int(labels.max()) + 1,
        depth_name(trajectory, clustered),
    )


def _labels(trajectory: Trajectory, measured: xr.Dataset | None) -> tuple[Int[np.ndarray, " token"], int]:
    """0, 1, ... by size of the cluster, -1 in none, at the last depth with clusters; and the index of that depth."""
    found = np.full(len(trajectory.tokens), -1)
    if measured is None:
        return found, -1
    labels = measured["cluster_label"].values
    with_clusters = np.flatnonzero((labels >= 0).any(axis=1))
    if not len(with_clusters):
        return found, -1
    last = labels[with_clusters[-1]]
    values, sizes = np.unique(last[last >= 0], return_counts=True)
    for place, value in enumerate(values[np.argsort(-sizes, kind="stable")]):
        found[last == value] = place
    return found, int(with_clusters[-1])


def _mark(label: int, name: str) -> Mark:
    """Colours repeat after six clusters, with another shape."""
    if label < 0:
        return Mark(_shape(0, SMALL_DOT), GREY, name)
    return Mark(_shape(label + label // 6 + 1, DOT), COLOURS[label % 6], name)


def _shape(style: int, size: float) -> Markup:
    return Markup(marker(style, 0.0, 0.0, "currentColor", size=size))


def _name(trajectory: Trajectory, token: int) -> str:
    return trajectory.tokens[token] + (" (special)" if trajectory.special[token] else "")
