"""Group A of the post, structures: nearest neighbours, their cycles and pairs, and clusters inside clusters."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from compare.metrics.published.spectra import eigengap
from compare.metrics.variable import Variable

LEAST_NESTED_SIZE = 4
MOST_OUTER_CLUSTERS = 3

_A = "post, Group A, structures"

VARIABLES = {
    "nearest_neighbour": Variable(
        ("depth", "token"),
        "nearest neighbour",
        "1",
        _A,
        "index j != i of the largest <x_i, x_j>, the lowest on a tie; -1 for a single token",
    ),
    "neighbour_cycles": Variable(
        ("depth",), "nearest-neighbour cycles", "1", _A, "cycles of the map token -> nearest neighbour"
    ),
    "semantic_cycles": Variable(
        ("depth",),
        "semantic nearest-neighbour cycles",
        "1",
        _A,
        "cycles of that map whose tokens have at least two different names",
    ),
    "mutual_pairs": Variable(
        ("depth",),
        "mutual nearest neighbours",
        "1",
        _A,
        "pairs i < j that are each other's nearest neighbour",
    ),
    "semantic_pairs": Variable(
        ("depth",), "semantic pairs", "1", _A, "mutual pairs with both tokens in the same HDBSCAN cluster"
    ),
    "artifact_pairs": Variable(
        ("depth",),
        "artifact pairs",
        "1",
        _A,
        "mutual pairs with the tokens in two different HDBSCAN clusters",
    ),
    "noise_pairs": Variable(
        ("depth",), "noise pairs", "1", _A, "mutual pairs with at least one token that is HDBSCAN noise"
    ),
    "artifact_fraction": Variable(
        ("depth",),
        "share of artifact pairs",
        "1",
        _A,
        "artifact_pairs / mutual_pairs; 0 where there is no pair, as in the post's code",
    ),
    "nested_clusters": Variable(
        ("depth",),
        "HDBSCAN clusters with inner structure",
        "1",
        _A,
        "HDBSCAN clusters of at least 4 tokens whose own eigengap count is over 1",
    ),
    "nested": Variable(
        ("depth",),
        "clusters are nested",
        "1",
        _A,
        "spectral_clusters <= 3 and at least one of nested_clusters",
    ),
}


def nearest_neighbours(cosines: Float[np.ndarray, "depth token token"]) -> Int[np.ndarray, "depth token"]:
    """Index of the most similar other token, the lowest on a tie; -1 where there is no other (post, Group A)."""
    n = cosines.shape[-1]
    if n < 2:
        return np.full(cosines.shape[:2], -1)
    return np.argmax(np.where(np.eye(n, dtype=bool), -np.inf, cosines), axis=-1)


def cycles(successor: Int[np.ndarray, " token"]) -> list[tuple[int, ...]]:
    """Cycles of the map i -> successor[i], each from its smallest member on, in the order of those members."""
    orbits = [_orbit(successor, start) for start in _recurrent(successor)]
    return [orbit for orbit in orbits if orbit[0] == min(orbit)]


def _recurrent(successor: Int[np.ndarray, " token"]) -> list[int]:
    reached = successor
    for _ in range(len(successor).bit_length()):
        reached = reached[reached]
    return np.unique(reached).tolist()


def _orbit(successor: Int[np.ndarray, " token"], start: int) -> tuple[int, ...]:
    orbit = [start]
    while (following := int(successor[orbit[-1]])) != start:
        orbit.append(following)
    return tuple(orbit)


def pair_agreement(
    neighbour: Int[np.ndarray, " token"], labels: Int[np.ndarray, " token"]
) -> tuple[int, int, int]:
    """Mutual nearest neighbours in one HDBSCAN cluster, in two, and with noise among them (post, Group A)."""
    token = np.arange(len(neighbour))
    left = token[(neighbour[neighbour] == token) & (token < neighbour)]
    first, second = labels[left], labels[neighbour[left]]
    noise = (first < 0) | (second < 0)
    return (
        int(np.sum(~noise & (first == second))),
        int(np.sum(~noise & (first != second))),
        int(np.sum(noise)),
    )


def nested_clusters(cosines: Float[np.ndarray, "token token"], labels: Int[np.ndarray, " token"]) -> int:
    """HDBSCAN clusters of at least 4 tokens that the eigengap splits further (post, Group A)."""
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    groups = (np.flatnonzero(labels == name) for name in names[sizes >= LEAST_NESTED_SIZE])
    return sum(eigengap(cosines[np.ix_(group, group)])[0] > 1 for group in groups)


def neighbour_structures(
    cosines: Float[np.ndarray, "depth token token"],
    labels: Int[np.ndarray, "depth token"],
    outer: Int[np.ndarray, " depth"],
    tokens: Sequence[str],
) -> dict[str, np.ndarray]:
    """All structures of Group A, depth by depth.

    Arguments: cosines; labels, of HDBSCAN; outer, eigengap counts of all tokens; tokens, their names.
    Returns the arrays of `VARIABLES`. Cost: O(depth token^2), and the eigengap of each large enough cluster.
    """
    neighbour = nearest_neighbours(cosines)
    names = np.asarray(tokens, dtype=object)
    rings = [cycles(row) if len(row) > 1 else [] for row in neighbour]
    same, different, noise = np.array([pair_agreement(*pair) for pair in zip(neighbour, labels)]).T
    mutual = same + different + noise
    inner = np.array([nested_clusters(*pair) for pair in zip(cosines, labels)])
    return {
        "nearest_neighbour": neighbour,
        "neighbour_cycles": np.array([len(each) for each in rings]),
        "semantic_cycles": np.array(
            [sum(len(set(names[list(ring)])) > 1 for ring in each) for each in rings]
        ),
        "mutual_pairs": mutual,
        "semantic_pairs": same,
        "artifact_pairs": different,
        "noise_pairs": noise,
        "artifact_fraction": different / np.maximum(mutual, 1),
        "nested_clusters": inner,
        "nested": (outer <= MOST_OUTER_CLUSTERS) & (inner > 0),
    }
