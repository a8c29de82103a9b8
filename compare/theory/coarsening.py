"""Coarsening after the first ring: gaps close one by one, so that clusters fall with the logarithm of time."""

import numpy as np
from scipy.optimize import elementwise

from compare.theory.domain import Numbers, Reals, positive, real

_PARKING = 0.7


def coarsening_gap(log_t: Numbers, beta: Numbers) -> Reals:
    """The gap D between neighbouring equal clusters that closes at time t, on the circle under SA.

    The root of beta (1 - cos D) - ln(2 beta sin^2 D) = ln t beyond the minimum of the left side: the leading order
    of `closest_pair_log_time` at equal masses. A heuristic of ours, not a theorem.

    Arguments broadcast. log_t: natural logarithm of the time. beta: above 0. Returns radians; NaN where ln t is
    below that minimum (about -0.39 at large beta), too early for the law. Raises ValueError outside.

    >>> from compare import theory
    >>> theory.coarsening_gap([-2.0, 3.0, 18.0], 200.0).round(3).tolist()
    [nan, 0.25, 0.478]
    """
    log_t = real("log_t", log_t, np.isfinite, "finite")
    log_t, beta = np.broadcast_arrays(log_t, positive("beta", beta))
    cosine = beta / (1 + np.sqrt(1 + beta**2))

    def excess(gap: Reals, log_t: Reals, beta: Reals) -> Reals:
        return 2 * beta * np.sin(gap / 2) ** 2 - np.log(2 * beta * np.sin(gap) ** 2) - log_t

    found = elementwise.find_root(excess, (np.arccos(cosine), np.pi * (1 - 1e-12)), args=(log_t, beta))
    return found.x + np.where(found.success, 0.0, np.nan)


def coarsening_count(log_t: Numbers, beta: Numbers) -> Reals:
    """About 0.7 * 2 pi/D clusters left at time t on the circle, D = `coarsening_gap`: it falls as sqrt(beta/ln t).

    The 0.7 was fitted to runs with n = 400 tokens at beta = 200; good to about 12 % there from t = 10 to 1e8.

    >>> from compare import theory
    >>> theory.coarsening_count([3.0, 18.0], 200.0).round(1).tolist()
    [17.6, 9.2]
    """
    return np.divide(_PARKING * 2 * np.pi, coarsening_gap(log_t, beta))
