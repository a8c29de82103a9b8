"""The truth about a run, from its points before any rounding and without any statistic of the judge."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

RADIUS = 0.7
SMALLEST = 3
NEXT, ENDS = 0.8, 0.7
SHORTEST = 3
STEP = 1e-9


def plateau_share(points: Float[np.ndarray, "depth token d"], beta: float) -> float:
    """Share of the depth over which one partition into clusters lasts: (b - a) / (L - 1) of the longest stretch a..b.

    The partition of a depth is that into groups linked by chords of at most 0.7 beta^(-1/2), the scale of 2411.04990;
    those with fewer than three tokens count together as left over. A stretch has at least three depths, each with two
    such groups or more; from one depth to the next the adjusted Rand index is at least 0.8, and 0.7 between its ends.
    Returns a number in [0, 1]; 0 where there is none. Cost: O(depth n^2 d + depth^2 n).
    """
    partitions = [_groups(x, RADIUS / np.sqrt(beta)) for x in points]
    longest, start = 0, 0
    for end, partition in enumerate(partitions):
        if partition.max(initial=-1) < 1:
            start = end + 1
            continue
        if end > start and adjusted_rand_score(partitions[end - 1], partition) < NEXT:
            start = end
        while adjusted_rand_score(partitions[start], partition) < ENDS:
            start += 1
        if end - start + 1 >= SHORTEST:
            longest = max(longest, end - start)
    return longest / (len(points) - 1)


def clustered_share(points: Float[np.ndarray, "depth token d"], beta: float) -> float:
    """Share of the tokens that are in clusters at the last depth: groups as in `plateau_share`, two of them or more.

    0 where there is only one, as after consensus. Cost: O(n^2 d).
    """
    groups = _groups(points[-1], RADIUS / np.sqrt(beta))
    return float(np.mean(groups >= 0)) if groups.max(initial=-1) >= 1 else 0.0


def descent_share(points: Float[np.ndarray, "depth token d"], beta: float) -> float:
    """Sum of the falls of the energy over the sum of all its changes: 0 never falls, 0.5 aimless, 1 never rises.

    The energy is the mean over pairs i != j of e^(beta (<x_i, x_j> - 1)). Changes under 1e-9 of its maximum are
    left out as rounding. NaN where nothing changes.
    """
    n = points.shape[1]
    apart = ~np.eye(n, dtype=bool)
    levels = np.array([np.exp(beta * (x @ x.T - 1))[apart].mean() for x in points])
    steps = np.diff(levels)
    steps = steps[np.abs(steps) > STEP]
    return float(-steps[steps < 0].sum() / np.abs(steps).sum()) if steps.size else float("nan")


def _groups(x: Float[np.ndarray, "token d"], reach: float) -> Int[np.ndarray, " token"]:
    """The number of each token's group, -1 in groups of fewer than three tokens."""
    near = x @ x.T >= 1 - reach**2 / 2
    labels = connected_components(near, directed=False)[1]
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= SMALLEST)
    number = np.full(len(sizes), -1)
    number[kept] = np.arange(len(kept))
    return number[labels]
