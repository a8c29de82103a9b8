"""Partitions of a cloud into given numbers of clusters, each found without the tokens of one fold: Ward, then Lloyd."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import average, ward
from scipy.spatial.distance import squareform

FOLDS = 10
LLOYD_STEPS = 3
NEAR = 0.5


class Centres(NamedTuple):
    """Centres c of the clusters of several partitions of one cloud of points y.

    members: 1 for a token that the cluster was found with, else 0. size: their number m. products: <y, c> of every
    token, found with it or not. squares: |c|^2. All 0 for a cluster without members.
    """

    members: Float[np.ndarray, "*partition token cluster"]
    size: Float[np.ndarray, "*partition cluster"]
    products: Float[np.ndarray, "*partition token cluster"]
    squares: Float[np.ndarray, "*partition cluster"]


def dealt(gram: Float[np.ndarray, "token token"]) -> Int[np.ndarray, " token"]:
    """The fold, 0 to 9, of each token of a centred cloud: near-duplicates in one fold, and each fold at all radii.

    Two tokens that average linkage joins first of all, no further apart than half the median distance, go into one
    fold: one of them would tell where the other is. Pairs, then single tokens, are dealt in turn by their distance
    from the mean, so that neither rotation nor the order of the tokens matters. Folds differ by two tokens at most.
    Cost: O(token^2).
    """
    tokens = len(gram)
    apart = squareform(np.sqrt(squared_distances(gram)), checks=False)
    tree = average(apart)
    joined = (tree[:, :2] < tokens).all(axis=1) & (tree[:, 2] <= NEAR * np.median(apart))
    pairs = tree[joined, :2].astype(int)
    single = np.setdiff1d(np.arange(tokens), pairs)
    radius = np.diag(gram)
    fold = np.empty(tokens, int)
    turn = np.arange(tokens) % FOLDS
    fold[pairs[np.argsort(radius[pairs].sum(axis=1), kind="stable")]] = turn[: len(pairs), None]
    fold[single[np.argsort(radius[single], kind="stable")]] = turn[len(pairs) :][: len(single)]
    return fold


def squared_distances(gram: Float[np.ndarray, "token token"]) -> Float[np.ndarray, "token token"]:
    """|y_i - y_j|^2 from inner products, 0 on the diagonal."""
    squares = np.diag(gram)
    squared = np.maximum(squares[:, None] + squares - 2 * gram, 0)
    np.fill_diagonal(squared, 0)
    return squared


def partitions(
    gram: Float[np.ndarray, "token token"],
    known: Bool[np.ndarray, "set token"],
    counts: Int[np.ndarray, " count"],
) -> Centres:
    """For each set of known tokens and each number of clusters: Ward's tree of those, cut, and three steps of Lloyd.

    gram: inner products of the cloud about its mean. known: at least as many tokens a set as the largest count.
    Returns the centres of partitions (set, count), as many places for clusters as the largest count asks for.
    Cost: O(set token^2 sum of counts), the sets and counts at once.
    """
    apart = np.sqrt(squared_distances(gram))
    ends = np.cumsum(counts)
    starts = (ends - counts)[:, None]  # clusters of all counts stand side by side
    members = np.zeros((len(known), len(gram), ends[-1]))
    for here, tokens in zip(members, known):
        tree = ward(squareform(apart[np.ix_(tokens, tokens)], checks=False))
        here[np.flatnonzero(tokens), starts + cuts(tree, counts)] = 1
    ranges = [slice(*each) for each in zip(starts[:, 0], ends)]
    centres = _centres(gram, members)
    for _ in range(LLOYD_STEPS):
        distance = centres.products * -2
        distance += np.where(centres.size == 0, np.inf, centres.squares)[:, None]
        nearest = np.stack([distance[..., those].argmin(axis=-1) for those in ranges], axis=-1) + starts[:, 0]
        members = np.zeros_like(members)
        np.put_along_axis(members, nearest, known[..., None], axis=-1)
        centres = _centres(gram, members)
    return Centres(*(_apart(part, ranges) for part in centres))


def _apart(
    part: Float[np.ndarray, "set *token together"], ranges: Sequence[slice]
) -> Float[np.ndarray, "set count *token cluster"]:
    """Clusters that stand side by side, each count on its own."""
    most = max(those.stop - those.start for those in ranges)
    result = np.zeros((len(part), len(ranges), *part.shape[1:-1], most))
    for place, those in enumerate(ranges):
        result[:, place, ..., : those.stop - those.start] = part[..., those]
    return result


def cuts(
    tree: Float[np.ndarray, "merger 4"], counts: Int[np.ndarray, " count"]
) -> Int[np.ndarray, "count token"]:
    """The cluster, 0 to count - 1, of each leaf of a tree by SciPy's conventions, cut into each number of clusters."""
    tokens, cut = len(tree) + 1, np.arange(len(counts))[:, None]
    nodes = np.arange(2 * tokens - 1)
    parent = nodes.copy()
    parent[tree[:, :2].astype(int)] = nodes[tokens:, None]
    there = nodes < 2 * tokens - counts[:, None]  # merged before that many clusters are left
    top = np.where(there[:, parent], parent, nodes)
    while not np.array_equal(top, further := top[cut, top]):
        top = further
    number = np.cumsum((top == nodes) & there, axis=1) - 1
    return number[cut, top[:, :tokens]]


def _centres(
    gram: Float[np.ndarray, "token token"], members: Float[np.ndarray, "*partition token cluster"]
) -> Centres:
    size = members.sum(axis=-2)
    share = 1 / np.maximum(size, 1)
    products = gram @ members
    products *= share[..., None, :]
    squares = np.einsum("...tc,...tc->...c", members, products) * share
    return Centres(members, size, products, squares)
