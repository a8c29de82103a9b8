"""The staircase of the energy: times of mergers on the circle, in the rescaled time of 2410.06833, Theorem 6.4."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from compare.theory.domain import Numbers, Reals, mass_pair, option, real


class Staircase(NamedTuple):
    """n - 1 mergers for each beta, in order, and the plateaus of the energy that they end.

    >>> import numpy as np
    >>> from compare import theory
    >>> steps = theory.staircase(1e6, np.array([0.0, 0.5, 1.5]), keep_masses=True)
    >>> steps.pairs.tolist(), steps.heights.round(3).tolist()
    ([0, 0], [0.556, 1.0])
    """

    jump_times: Float[np.ndarray, "*beta mergers"]  # rescaled time of each merger, from the start
    plateau_lengths: Float[np.ndarray, "*beta mergers"]  # time between mergers
    plateau_limits: Float[np.ndarray, "*beta mergers"]  # the same as beta grows without end
    heights: Float[np.ndarray, "*beta mergers"]  # energy E1 just after each merger: sum_k m_k^2
    pairs: Int[np.ndarray, "*beta mergers"]  # merger of the p-th and (p+1)-th cluster still there


def collision_radius(beta: Numbers) -> Reals:
    """1/sqrt(beta ln beta), the angle at which the staircase of 2410.06833 glues two tokens. beta: above 1.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.collision_radius(np.e)), 4), round(float(theory.collision_radius(1e4)), 4)
    (0.6065, 0.0033)
    """
    beta = real("beta", beta, lambda b: b > 1, "finite and above 1")
    return 1 / np.sqrt(beta * np.log(beta))


def staircase(beta: Numbers, angles: Float[np.ndarray, " n"], keep_masses: bool = False) -> Staircase:
    """Times of the mergers of tokens on the circle at finite beta, on the clock on which they are of order one.

    That clock runs as tau' = ln(beta) min e^(beta (1 - cos(theta_i - theta_j))) over pairs farther apart than
    r = 1/sqrt(beta ln beta), against the time of USA with prefactor 1/n^2 (2410.06833, section 6; the paper prints
    max, and its proof needs min). On it the closest gap, between clusters of a and b tokens, obeys
    u' = -(a + b)/N^2 ln(beta) sin u, and reaches r after

        N^2/(a + b) [ln tan(u0/2) - ln tan(r/2)]/ln(beta)   ->   N^2/(2 (a + b))   for every u0.

    (The paper's lemma prints the limit 2/c for u' = -c ln(beta) sin u; it is 1/(2c).) The others stand still
    meanwhile. At r the pair is glued and the next closest gap sets off. In the paper's rule the left token of the
    pair vanishes, the right one stays where it is, and N drops by one: n^2/4, (n-1)^2/4, ..., 1. With
    `keep_masses` the pair becomes one cluster of a + b tokens at its mean, and N stays n: the true flow.
    Convergence is as slow as ln(ln beta)/ln(beta); hold data against the finite-beta times.

    Arguments. beta: above 1, any shape; no overflow up to 1e300. angles: (n,) increasing radians, spread less than
    pi, n >= 2. The theorem asks for more, that theta_i - theta_1 stays below theta_k - theta_i for all k > i by
    about ln(beta)/beta; we merge the closest pair whatever the order.
    Returns `Staircase`, each field of shape (*beta, n - 1). Length 0 for a pair already within r.
    Raises ValueError outside these domains. Cost: O(n) a merger.

    >>> import numpy as np
    >>> from compare import theory
    >>> steps = theory.staircase([1e4, 1e300], np.array([0.0, 0.5, 1.5]))
    >>> steps.plateau_lengths.round(2).tolist(), steps.plateau_limits[0].tolist()
    ([[2.46, 1.32], [2.27, 1.01]], [2.25, 1.0])
    """
    betas = real("beta", beta, lambda b: b > 1, "finite and above 1")
    start = real("angles", angles, np.isfinite, "finite")
    if len(start) < 2 or np.any(np.diff(start) <= 0) or start[-1] - start[0] >= np.pi:
        raise ValueError("angles must be at least 2 increasing radians that spread less than pi: sort them")
    runs = [_mergers(float(one), start, keep_masses) for one in betas.ravel()]
    shape = (*betas.shape, len(start) - 1)
    lengths, limits, heights = (np.reshape([run[k] for run in runs], shape) for k in range(3))
    pairs = np.reshape([run[3] for run in runs], shape)
    return Staircase(np.cumsum(lengths, axis=-1), lengths, limits, heights, pairs)


def plateau_limit(m_k: Numbers, m_l: Numbers, kind: str = "SA") -> Reals:
    """Limit as beta grows of a plateau's length on the clock tau' = ln(beta) min e^(beta (1 - cos)), any dimension.

    1/(2c) with c = m_k + m_l (USA, metastability clock) or (m_k^2 + m_l^2)/(m_k m_l) (SA), the closing rate of the
    pair of clusters that merges. On the slower 1/n^2 clock of `staircase` USA takes n times as long.
    Arguments broadcast: positive masses with a sum of at most 1. Raises ValueError outside.

    >>> from compare import theory
    >>> float(theory.plateau_limit(0.5, 0.5)), float(theory.plateau_limit(0.5, 0.5, "USA"))
    (0.25, 0.5)
    """
    option("kind", kind, ("SA", "USA"))
    m_k, m_l = mass_pair((m_k, m_l))
    return 1 / (2 * (m_k + m_l)) if kind == "USA" else m_k * m_l / (2 * (m_k**2 + m_l**2))


def _mergers(
    beta: float, start: Float[np.ndarray, " n"], keep_masses: bool
) -> tuple[list[float], list[float], list[float], list[int]]:
    radius = float(collision_radius(beta))
    angles, counts = start.copy(), np.ones(len(start))
    lengths, limits, heights, pairs = [], [], [], []
    while len(angles) > 1:
        left = int(np.argmin(np.diff(angles)))
        gap, total = angles[left + 1] - angles[left], counts.sum()
        pace = (counts[left] + counts[left + 1]) / total**2
        span = np.log(np.tan(gap / 2) / np.tan(radius / 2)) if gap > radius else 0.0
        lengths.append(float(span / (pace * np.log(beta))))
        limits.append(float(1 / (2 * pace)))
        pairs.append(left)
        if keep_masses:
            angles[left + 1] = np.average(angles[left : left + 2], weights=counts[left : left + 2])
            counts[left + 1] += counts[left]
        else:
            angles[left + 1] -= max(0.0, gap - radius) / 2
        angles, counts = np.delete(angles, left), np.delete(counts, left)
        heights.append(float(np.sum((counts / counts.sum()) ** 2)))
    return lengths, limits, heights, pairs
