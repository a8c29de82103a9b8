"""Interaction energy of many clusters at large beta, where only near pairs count."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

_NEGLIGIBLE = 45.0
_DENSE = 512


def interaction(points: Float[np.ndarray, "n d"], masses: Float[np.ndarray, " n"], beta: float) -> float:
    """E1 = sum_ij m_i m_j e^(-beta |x_i - x_j|^2 / 2), as `sim.energy`, but for any n without compiling.

    Pairs whose exponent is below -45 are left out beyond 512 points: an error of at most 3e-20.
    """
    reach = np.sqrt(2 * _NEGLIGIBLE / max(beta, 1e-300))
    own = float(masses @ masses)
    if len(points) <= _DENSE or reach > 1:
        squares = np.maximum(_squares(points), 0)
        np.fill_diagonal(squares, 0)
        return float(masses @ np.exp(-beta * squares / 2) @ masses)
    i, j = KDTree(points).query_pairs(reach, output_type="ndarray").T
    squares = np.sum((points[i] - points[j]) ** 2, axis=1)
    return own + 2 * float(np.sum(masses[i] * masses[j] * np.exp(-beta * squares / 2)))


def _squares(points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    return sum(((x[:, None] - x[None]) ** 2 for x in points.T), np.zeros((len(points),) * 2))
