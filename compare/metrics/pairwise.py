"""Numbers of a cloud that depend on its pairs of tokens only: mean cosine, pair energy E, clusters."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from compare.metrics.exclusions import exclude
from sim.trajectory import Trajectory


def kept(trajectory: Trajectory, keep: Bool[np.ndarray, " token"] | None) -> Bool[np.ndarray, " token"]:
    """`keep`, or where None the tokens that `exclusions` keeps; ValueError for another shape or fewer than 2."""
    chosen = exclude(trajectory).kept if keep is None else np.asarray(keep, bool)
    if chosen.shape != trajectory.special.shape or chosen.sum() < 2:
        raise ValueError(
            f"keep must mark at least 2 of {len(trajectory.special)} tokens, got {chosen.sum()} of {chosen.size}: "
            "give a longer text or another keep"
        )
    return chosen


def mean_gap(points: Float[np.ndarray, "depth token d"]) -> Float[np.ndarray, " depth"]:
    """Mean of 1 - <x_i, x_j> over pairs i < j of n >= 2 unit points, at each depth, in [0, n / (n - 1)].

    It is sum_i |x_i - m|^2 / (n - 1) with m the mean point, which keeps its digits where all points are close.
    """
    apart = points - points.mean(axis=1, keepdims=True)
    return np.einsum("lnd,lnd->l", apart, apart) / (points.shape[1] - 1)


def mean_cosine(points: Float[np.ndarray, "depth token d"]) -> Float[np.ndarray, " depth"]:
    """Mean of <x_i, x_j> over pairs i < j, at each depth, in [-1 / (n - 1), 1]."""
    return 1 - mean_gap(points)


def pair_energy(
    points: Float[np.ndarray, "depth token d"],
    beta: float,
    masses: Float[np.ndarray, " token"] | None = None,
) -> Float[np.ndarray, " depth"]:
    """E = sum_{i != j} m_i m_j e^(beta (<x_i, x_j> - 1)) / sum_{i != j} m_i m_j at each depth, in (0, 1].

    It is E1 of `sim.energy` without its diagonal, which never changes: no token is its own cluster. masses: equal where
    None, when E1 = 1/n + (1 - 1/n) E. 1 where all points coincide, NaN for a single token. Cost: O(n^2 d) a depth.
    """
    weights = np.ones((points.shape[1],) * 2) if masses is None else np.outer(masses, masses)
    np.fill_diagonal(weights, 0)
    if not weights.any():
        return np.full(len(points), np.nan)
    return np.array([np.sum(weights * np.exp(beta * (here @ here.T - 1))) for here in points]) / weights.sum()


def components(points: Float[np.ndarray, "depth token d"], radius: float) -> Float[np.ndarray, " depth"]:
    """Clusters of single linkage: components of the graph that joins tokens at a chord of at most `radius`."""
    nearest = 1 - radius**2 / 2
    found = [connected_components(csr_array(cloud @ cloud.T >= nearest), directed=False) for cloud in points]
    return np.array([count for count, _ in found], np.float64)
