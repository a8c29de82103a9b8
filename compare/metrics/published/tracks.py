"""Group B4 of the post: clusters followed from one depth to the next."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from compare.metrics.variable import Variable

LEAST_OVERLAP = 0.1

_B4 = "post, Group B4"

VARIABLES = {
    "cluster_births": Variable(
        ("depth",),
        "cluster births",
        "1",
        _B4,
        "HDBSCAN clusters of this depth with no match at the depth before; NaN at the first depth",
    ),
    "cluster_deaths": Variable(
        ("depth",),
        "cluster deaths",
        "1",
        _B4,
        "HDBSCAN clusters of the depth before with no match here that no cluster here took in; NaN at the first depth",
    ),
    "cluster_merges": Variable(
        ("depth",),
        "cluster merges",
        "1",
        _B4,
        "HDBSCAN clusters of this depth that have a match and took in at least one more cluster of the depth before, "
        "one whose best Jaccard overlap, >= 0.1, is with it; marked at the later depth, as every transition here "
        "(the post's code marks merges at the earlier and energy violations at the later one); NaN at the first depth",
    ),
    "clusters_absorbed": Variable(
        ("depth",),
        "clusters absorbed",
        "1",
        _B4,
        "clusters of the depth before that were taken in so; NaN at the first depth",
    ),
    "cluster_track": Variable(
        ("depth", "token"),
        "track of a token's cluster",
        "1",
        _B4,
        "number, from 0 on, of the chain of matched clusters that the token's HDBSCAN cluster belongs to; -1 for "
        "noise. A match is a pair of the assignment with the largest summed Jaccard overlap, kept where >= 0.1",
    ),
    "tracks": Variable((), "cluster tracks", "1", _B4, "number of chains of matched clusters"),
    "mean_lifespan": Variable(
        (),
        "mean lifespan of a track",
        "1",
        _B4,
        "mean number of depths of a track; an absorbed cluster's track ends at its last own depth; NaN where no track",
    ),
    "max_lifespan": Variable(
        (),
        "longest lifespan of a track",
        "1",
        _B4,
        "largest number of depths of a track; 0 where there is none",
    ),
}


class Matching(NamedTuple):
    """Clusters of one depth against those of the next: `matches` and `absorbed` map old numbers to new ones."""

    matches: dict[int, int]
    births: tuple[int, ...]
    deaths: tuple[int, ...]
    absorbed: dict[int, int]


def jaccard(
    before: Int[np.ndarray, " token"], after: Int[np.ndarray, " token"]
) -> Float[np.ndarray, "old new"]:
    """Shared tokens over joint tokens of every old and new cluster, labels in increasing order, noise (-1) left out."""
    old = (before == np.unique(before[before >= 0])[:, None]).astype(float)
    new = (after == np.unique(after[after >= 0])[:, None]).astype(float)
    shared = old @ new.T
    return shared / (old.sum(axis=1)[:, None] + new.sum(axis=1) - shared)


def match(before: Int[np.ndarray, " token"], after: Int[np.ndarray, " token"]) -> Matching:
    """Match clusters by the assignment with the largest summed overlap, kept where at least 0.1 (post, Group B4).

    An old cluster without a match whose best overlap, at least 0.1, is with a matched new one is absorbed by it;
    any other is a death. A new cluster without a match is a birth, so a split is a birth.
    Arguments: before, after, (token,) labels with -1 for noise. Cost: O(clusters^3).
    """
    old, new = np.unique(before[before >= 0]).tolist(), np.unique(after[after >= 0]).tolist()
    overlap = jaccard(before, after)
    pairs = zip(*linear_sum_assignment(overlap, maximize=True))
    matches = {old[row]: new[column] for row, column in pairs if overlap[row, column] >= LEAST_OVERLAP}
    taken = set(matches.values())
    absorbed = {}
    for row, name in enumerate(old):
        if name not in matches and new:
            column = int(np.argmax(overlap[row]))
            if overlap[row, column] >= LEAST_OVERLAP and new[column] in taken:
                absorbed[name] = new[column]
    return Matching(
        matches=matches,
        births=tuple(name for name in new if name not in taken),
        deaths=tuple(name for name in old if name not in matches and name not in absorbed),
        absorbed=absorbed,
    )


def cluster_tracks(labels: Int[np.ndarray, "depth token"]) -> dict[str, np.ndarray]:
    """Events and chains of HDBSCAN clusters over depth (post, Group B4). Returns the arrays of `VARIABLES`."""
    steps = [match(before, after) for before, after in pairwise(labels)]
    track = np.full(labels.shape, -1)
    current = {int(name): number for number, name in enumerate(np.unique(labels[0][labels[0] >= 0]))}
    count = len(current)
    lifespan = [1] * count
    _mark(track[0], labels[0], current)
    for depth, step in enumerate(steps, start=1):
        current = {new: current[old] for old, new in step.matches.items()}
        for number in current.values():
            lifespan[number] += 1
        for name in step.births:
            current[name] = count
            lifespan.append(1)
            count += 1
        _mark(track[depth], labels[depth], current)
    return {
        "cluster_births": _from_second([len(step.births) for step in steps]),
        "cluster_deaths": _from_second([len(step.deaths) for step in steps]),
        "cluster_merges": _from_second([len(set(step.absorbed.values())) for step in steps]),
        "clusters_absorbed": _from_second([len(step.absorbed) for step in steps]),
        "cluster_track": track,
        "tracks": np.array(count),
        "mean_lifespan": np.array(np.mean(lifespan) if lifespan else np.nan),
        "max_lifespan": np.array(max(lifespan, default=0)),
    }


def _mark(
    track: Int[np.ndarray, " token"], labels: Int[np.ndarray, " token"], current: dict[int, int]
) -> None:
    for name, number in current.items():
        track[labels == name] = number


def _from_second(counts: list[int]) -> Float[np.ndarray, " depth"]:
    return np.array([np.nan, *counts])
