"""The curve in the (t, beta) plane across which most pairs of uniform tokens have merged."""

import numpy as np
from scipy.optimize import elementwise

from compare.theory.consensus import gamma_log_time, gamma_time
from compare.theory.domain import Numbers, Reals, positive, real, tokens


def phase_curve(
    beta: Numbers, n: Numbers, delta: Numbers = 1e-3, kind: str = "SA", clock: str = "metastability"
) -> Reals:
    """Time at which P(<x_i, x_j> >= 1 - delta) switches from 0 to 1, for uniform tokens in high dimension.

    The curve {g_beta(t) = 1 - delta} of 2312.10794, in closed form: `gamma_time` from orthogonal tokens to 1 - delta.
    The switch sharpens as d grows; for small d and large beta a region of several clusters lies around it.
    Where the authors' notebook runs a grid search with n = 128, the caption of its figure says n = 32.

    Arguments broadcast. beta: finite, >= 0. n: at least 2. delta: in (0, 1]. kind, clock: as `gamma_time`.
    Returns times, inf beyond floating point. Raises ValueError outside these domains.

    >>> from compare import theory
    >>> theory.phase_curve([0.0, 1.0, 9.0], 32).round(2).tolist()
    [5.19, 5.27, 178.73]
    >>> float(theory.phase_curve(9.0, 32)) == float(theory.gamma_time(0.999, 32, 9.0))
    True
    """
    return gamma_time(1 - _check_delta(delta), n, beta, kind, 0.0, clock)


def phase_beta(t: Numbers, n: Numbers, delta: Numbers = 1e-3) -> Reals:
    """The beta whose `phase_curve` (SA) passes through time `t`: the other way to read the same curve.

    Arguments broadcast: t > 0, n >= 2, delta in (0, 1). Returns beta >= 0, and NaN for t before the curve starts,
    t0 = (1/2) ln(((n-1)(1-delta)+1)/delta). Accuracy about 1e-13. Raises ValueError outside these domains.

    >>> from compare import theory
    >>> round(float(theory.phase_beta(theory.phase_curve(9.0, 32), 32)), 9)
    9.0
    >>> float(theory.phase_beta(1.0, 32))
    nan
    """
    delta = real("delta", _check_delta(delta), lambda gap: gap < 1, "in (0, 1)")
    t, n, delta = np.broadcast_arrays(positive("t", t), tokens(n), delta)

    def excess(beta: Reals, log_t: Reals, n: Reals, delta: Reals) -> Reals:
        return gamma_log_time(1 - delta, n, beta) - log_t

    arguments = (np.log(t), n, delta)
    high = np.ones_like(t)
    while np.any(excess(high, *arguments) <= 0):
        high = 2 * high
    found = elementwise.find_root(excess, (np.zeros_like(t), high), args=arguments)
    return found.x + np.where(found.success, 0.0, np.nan)


def _check_delta(delta: Numbers) -> Reals:
    return real("delta", delta, lambda gap: (gap > 0) & (gap <= 1), "in (0, 1]")
