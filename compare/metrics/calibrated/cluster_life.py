"""Cluster life, the range of scales over which a clustering stays: single linkage over mutual reachability."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compare.metrics.variable import Variable

LEAST_COMPONENT = 3.0
MOST_NEIGHBOURS = 3
CACHED_ENTRIES = 2**16  # 256 KiB in single precision

_SOURCE = "calibrated; single linkage over mutual reachability as in HDBSCAN (Campello et al. 2013)"

VARIABLES = {
    "cluster_life": Variable(
        ("depth",),
        "cluster life W",
        "nat",
        _SOURCE,
        "integral of d log r over the chords r >= 0.01 at which the components of mutual reachability (2 neighbours) "
        "are clustered: 1 / (sum of squared masses) in [1.5, tokens / 4], and at least two components of max(3, 8 % of "
        "the tokens), which hold at least 60 % of them; 0 for fewer than 6 tokens",
    ),
    "cluster_life_null": Variable(
        ("draw", "depth"),
        "cluster life of the null",
        "nat",
        _SOURCE,
        "cluster_life of each common token rotation (`compare.metrics.nulls.token_rotations`)",
    ),
    "cluster_life_excess": Variable(
        ("depth",),
        "excess of the cluster life",
        "nat",
        _SOURCE,
        "cluster_life less the mean of cluster_life_null: log 2 is clusters that live over twice the range of radii",
    ),
    "cluster_label": Variable(
        ("depth", "token"),
        "cluster of a token",
        "1",
        _SOURCE,
        "component of the clustered partition that lives longest, numbered from 0 by first token; -1 in a component "
        "too small to count, and where nothing is clustered; -2 for a token left out",
    ),
    "cluster_number": Variable(
        ("depth",),
        "clusters",
        "1",
        _SOURCE,
        "components of cluster_label that count; 0 where nothing is clustered",
    ),
    "late_excess": Variable(
        ("variant",),
        "late excess",
        "nat",
        _SOURCE,
        "mean of cluster_life_excess over the last third of the depths, under each changed threshold",
    ),
    "stage_excess": Variable(
        ("variant",),
        "excess over the best third",
        "nat",
        _SOURCE,
        "largest mean of cluster_life_excess over a third of the depths in a row, less the mean of what draws reach "
        "in the same way, under each changed threshold",
    ),
    "gain": Variable(
        ("variant",),
        "gain of the excess",
        "nat",
        _SOURCE,
        "late_excess less cluster_life_excess at the first depth, under each changed threshold",
    ),
}


class Rule(NamedTuple):
    """What counts as clustered at a radius r, and which radii count.

    neighbour: k of the mutual reachability: the larger of d_ij and the distances of i and of j to their k-th other
    point; 1 is plain single linkage. floor: smallest radius, a chord, over three times the noise of bfloat16.
    fewest, most: 1 / (sum of squared masses of the components) lies between `fewest` and `most` times the number of
    tokens. component: a component counts from max(3, `component` times the number of tokens) tokens on; at least two
    must. coverage: share of the tokens that these hold together.
    """

    neighbour: int = 2
    floor: float = 0.01
    fewest: float = 1.5
    most: float = 0.25
    component: float = 0.08
    coverage: float = 0.6


class Mergers(NamedTuple):
    """Single linkage of a batch of clouds, as runs of Prim's order.

    order: tokens in the order in which a minimum spanning tree, grown from token 0, takes them up. radius: entry t is
    the length of the edge that takes up token ``order[t + 1]``. The components at radius r are the runs of `order`
    between the places where ``radius > r``: the tree leaves a component only when no edge up to r is left in it.
    """

    order: Int[np.ndarray, "*batch token"]
    radius: Float[np.ndarray, "*batch merger"]


class Life(NamedTuple):
    """The cluster life of each cloud of a batch.

    life: W, at least 0, in natural logarithms of a range of radii. cut: place, in order of radius, of the merger that
    makes the partition which lives longest, -1 where nothing is clustered. onset: log of the smallest radius, from the
    floor on, at which the components that count hold the share `Rule.coverage` of the tokens, clustered or not.
    lives: how long the partition that each merger makes lives, in order of radius, 0 where it is not clustered; `life`
    is their sum.
    """

    life: Float[np.ndarray, "*batch"]
    cut: Int[np.ndarray, "*batch"]
    onset: Float[np.ndarray, "*batch"]
    lives: Float[np.ndarray, "*batch cut"]


class Growth(NamedTuple):
    """Components after each merger, in order of radius.

    log_radius: of the mergers, increasing. effective: 1 / (sum of squared masses). counted: for each least size, the
    number of components that have it. covered: the number of tokens in those.
    """

    log_radius: Float[np.ndarray, "batch merger"]
    effective: Float[np.ndarray, "batch merger"]
    counted: Int[np.ndarray, "least batch merger"]
    covered: Int[np.ndarray, "least batch merger"]


def squared_chords(points: Float[np.ndarray, "*batch token dim"]) -> Float[np.ndarray, "*batch token token"]:
    """|x_i - x_j|^2 of each cloud of a batch, from differences to its mean, so that tight clouds keep their digits.

    In single precision they are good to 1e-7 of the cloud's own squared width. Cost: O(token^2 dim) a cloud.
    """
    tokens, dim = points.shape[-2:]
    clouds = points.reshape(-1, tokens, dim)
    result = np.empty((len(clouds), tokens, tokens), points.dtype)
    for some in _blocks(len(clouds), tokens):
        centred = clouds[some] - clouds[some].mean(axis=1, keepdims=True)
        squares = np.einsum("cti,cti->ct", centred, centred)
        squared = np.matmul(centred, centred.swapaxes(1, 2), out=result[some])
        squared *= -2
        squared += squares[:, :, None]
        squared += squares[:, None, :]
        np.maximum(squared, 0, out=squared)
        np.einsum("ctt->ct", squared)[:] = 0
    return result.reshape(*points.shape[:-1], tokens)


def _blocks(clouds: int, tokens: int) -> Iterator[slice]:
    """Several clouds at a time where they are small, and so few that their matrices stay in the processor's cache."""
    size = max(1, CACHED_ENTRIES // tokens**2)
    return (slice(start, start + size) for start in range(0, clouds, size))


def core_squares(
    squared: Float[np.ndarray, "*batch token token"],
) -> Float[np.ndarray, "neighbour *batch token"]:
    """Squared distances of each token to its first, second and third other token, nearest first."""
    tokens = squared.shape[-1]
    most = min(MOST_NEIGHBOURS, tokens - 1)
    clouds = squared.reshape(-1, tokens, tokens)
    nearest = np.empty((len(clouds), tokens, most + 1), squared.dtype)
    for some in _blocks(len(clouds), tokens):
        nearest[some] = np.sort(np.partition(clouds[some], most, axis=2)[:, :, : most + 1], axis=2)
    return np.moveaxis(nearest[..., 1:], -1, 0).reshape(most, *squared.shape[:-1])


def mergers(
    squared: Float[np.ndarray, "batch token token"], core: Float[np.ndarray, "batch token"]
) -> Mergers:
    """Minimum spanning trees over mutual reachability max(d_ij, core_i, core_j), by Prim's algorithm.

    Arguments: squared distances of a batch of clouds, and the square of each token's core distance (`core_squares`;
    zeros for plain single linkage). Cost: `token` steps of O(batch token), the batch at once.
    """
    batch, tokens, _ = squared.shape
    rows = squared.reshape(batch * tokens, tokens)
    first_row = np.arange(batch) * tokens
    clouds = np.arange(batch)
    order = np.zeros((batch, tokens), np.intp)
    radius = np.empty((batch, tokens - 1), squared.dtype)
    core = core.copy()
    nearest = np.full_like(core, np.inf)
    reach = np.empty_like(core)
    newest = order[:, 0]
    for step in range(1, tokens):
        least = core[clouds, newest][:, None]
        core[clouds, newest] = nearest[clouds, newest] = np.inf  # no edge leads back to a token taken up
        np.take(rows, first_row + newest, axis=0, out=reach, mode="clip")
        np.maximum(reach, core, out=reach)
        np.maximum(reach, least, out=reach)
        np.minimum(nearest, reach, out=nearest)
        newest = np.argmin(nearest, axis=1)
        order[:, step] = newest
        radius[:, step - 1] = nearest[clouds, newest]
    return Mergers(order, np.sqrt(radius))


def growth(radius: Float[np.ndarray, "batch merger"], least: Float[np.ndarray, " least"]) -> Growth:
    """Sizes of the components along the mergers, for several least sizes of a component that counts.

    Cost: `merger` steps of O(batch), and O(least batch merger) memory.
    """
    batch, count = radius.shape
    tokens = count + 1
    sequence = np.argsort(radius, axis=1, kind="stable")
    places = (np.arange(batch) * tokens)[:, None] + sequence
    ending, starting = np.ones((2, batch * tokens), np.intp)
    before, after = np.empty((2, count, batch), np.intp)
    for step, place in enumerate(np.ascontiguousarray(places.T)):
        left, right = ending[place], starting[place + 1]
        starting[place + 1 - left] = ending[place + right] = left + right
        before[step], after[step] = left, right
    left, right = before.T, after.T
    both = left + right
    squares = tokens + np.cumsum(2 * left * right, axis=1)
    counted, covered = [], []
    for size in least:
        enough = [part >= size for part in (both, left, right)]
        counted.append(np.cumsum(enough[0].astype(int) - enough[1] - enough[2], axis=1))
        covered.append(np.cumsum(both * enough[0] - left * enough[1] - right * enough[2], axis=1))
    with np.errstate(divide="ignore"):
        log_radius = np.log(np.take_along_axis(radius, sequence, axis=1).astype(np.float64))
    return Growth(log_radius, tokens**2 / squares, np.stack(counted), np.stack(covered))


def least_size(tokens: int, rule: Rule) -> float:
    """Tokens of the smallest component that counts."""
    return max(LEAST_COMPONENT, rule.component * tokens)


def cluster_life(grown: Growth, which: int, rule: Rule) -> Life:
    """W = integral of d log r over the clustered radii, the partition that lives longest, and the covering radius.

    Arguments: grown, the components along the mergers; which, the place of the rule's least size among those of
    `grown`; rule.
    """
    tokens = grown.log_radius.shape[1] + 1
    inside = np.maximum(grown.log_radius, np.log(rule.floor))
    covering = grown.covered[which] >= rule.coverage * tokens
    clustered = (
        (grown.effective >= rule.fewest)
        & (grown.effective <= rule.most * tokens)
        & (grown.counted[which] >= 2)
        & covering
    )
    lives = np.diff(inside, axis=1) * clustered[:, :-1]
    longest = np.argmax(lives, axis=1)
    first = np.argmax(covering, axis=1)
    found = np.take_along_axis(lives, longest[:, None], axis=1)[:, 0] > 0
    onset = np.take_along_axis(inside, first[:, None], axis=1)[:, 0]
    return Life(lives.sum(axis=1), np.where(found, longest, -1), onset, lives)


def components(found: Mergers, cut: int | np.integer) -> Int[np.ndarray, " token"]:
    """The component of each token of one cloud after merger number `cut` in order of radius, numbered from 0."""
    threshold = np.sort(found.radius)[cut]
    labels = np.empty(len(found.order), np.intp)
    labels[found.order] = np.concatenate([[0], np.cumsum(found.radius > threshold)])
    return labels
