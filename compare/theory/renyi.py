"""Renyi centres of a causal model (2411.04990): the tokens that others cluster around, their number and their life."""

import numpy as np
from jaxtyping import Bool
from scipy.special import betainc

from compare.theory.circle import pull, pull_peak, pull_slope
from compare.theory.domain import Numbers, Reals, dimension, positive, real, tokens

PARKING_DENSITY = 0.7475979202534114
"""Share of a long line that cars of unit length cover when each parks at random (Renyi)."""


def strong_centre_count(beta: Numbers, c: Numbers, d: Numbers = 2, n: Numbers | None = None) -> Reals:
    """Expected number of strong Renyi centres among uniform tokens on S^(d-1).

    A strong centre is farther than delta = c beta^(-1/2) from every earlier token. With s the share of the sphere
    within the chord delta, the j-th of n tokens is one with probability (1-s)^(j-1): (1 - (1-s)^n)/s in all, which
    tends to 1/s, of order beta^((d-1)/2). On the circle 1/s = pi/(2 arcsin(delta/2)).

    Arguments broadcast. beta, c: above 0. d: at least 2. n: at least 2 tokens, or None for infinitely many.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.strong_centre_count(100.0, 2.0)), 3), round(float(np.pi / 2 / np.arcsin(0.1)), 3)
    (15.682, 15.682)
    >>> round(float(theory.strong_centre_count(100.0, 2.0, n=20)), 3)
    11.484
    """
    share = _cap_share(beta, c, d)
    return 1 / share if n is None else (1 - (1 - share) ** tokens(n)) / share


def centre_count_bounds(beta: Numbers, c: Numbers, d: Numbers = 2) -> tuple[Reals, Reals]:
    """Bounds on the number of Renyi centres of infinitely many uniform tokens on S^(d-1).

    A Renyi centre is farther than delta = c beta^(-1/2) from every earlier centre. Caps of chord delta around them
    cover the sphere, and caps of half the angle do not overlap: (1/s(angle), 1/s(angle/2)), both of order
    beta^((d-1)/2). Arguments as `strong_centre_count`.

    >>> from compare import theory
    >>> low, high = theory.centre_count_bounds(100.0, 2.0)
    >>> round(float(low), 2), round(float(theory.parking_count(100.0, 2.0)), 2), round(float(high), 2)
    (15.68, 23.45, 31.36)
    """
    beta, c = positive("beta", beta), positive("c", c)
    delta = np.minimum(c / np.sqrt(beta), 2.0)
    half = 2 * np.sin(np.arcsin(delta / 2) / 2)
    return 1 / _cap_share(beta, c, d), 1 / _cap_share(np.ones_like(half), half, d)


def parking_count(beta: Numbers, c: Numbers) -> Reals:
    """Expected number of Renyi centres on the circle, for small delta = c beta^(-1/2): 0.7476 * 2 pi/delta.

    delta is turned from a chord into an angle, 2 arcsin(delta/2). Arguments as `strong_centre_count`; delta < 1.

    >>> from compare import theory
    >>> theory.parking_count([1e2, 1e4, 1e6], 2.0).round(2).tolist()
    [23.45, 234.86, 2348.65]
    """
    delta = real(
        "c beta^(-1/2)", positive("c", c) / np.sqrt(positive("beta", beta)), lambda x: x < 1, "below 1"
    )
    return PARKING_DENSITY * np.pi / np.arcsin(delta / 2)


def centre_lifetime(beta: Numbers, c: Numbers, eps: Numbers, rank: Numbers) -> Reals:
    """Time for which a strong Renyi centre moves less than eps c beta^(-1/2), causal attention on the circle.

    T = eps c beta^(-1/2)/(s h(c beta^(-1/2))), s its rank among the tokens: about (eps/s) e^(c^2/2), whatever beta.
    Hypotheses (2411.04990): every earlier token is farther than c (1 + 2 eps) beta^(-1/2), and c beta^(-1/2) exceeds
    the angle where the pull h peaks; NaN where it does not.

    Arguments broadcast. beta, c, eps: above 0. rank: at least 2 (the first token never moves).

    >>> import numpy as np
    >>> from compare import theory
    >>> theory.centre_lifetime([1e2, 1e4, 1e6], 4.0, 0.1, 2).round(2).tolist()
    [137.69, 148.93, 149.05]
    >>> round(0.1 / 2 * float(np.exp(4.0**2 / 2)), 2)
    149.05
    """
    beta, c, eps = positive("beta", beta), positive("c", c), positive("eps", eps)
    rank = real("rank", rank, lambda s: s >= 2, "at least 2: the first token never moves")
    delta = c / np.sqrt(beta)
    holds = (delta > pull_peak(beta)) & (delta < np.pi)
    strength = np.where(holds, pull(delta, beta), np.nan)
    with np.errstate(divide="ignore", over="ignore"):
        return eps * delta / (rank * strength)


def frozen_centres_hold(
    beta: Numbers, c: Numbers, eps: Numbers, total_weight: Numbers
) -> Bool[np.ndarray, "..."] | np.bool:
    """Whether n tokens must all end within eps beta^(-1/2) of one of the frozen centres (2411.04990).

    The centres stand c beta^(-1/2) apart with weights a_j >= 1, and N = n + sum a_j. Asked: c > 2 + 2 eps,

        N h((c-1-2 eps) beta^(-1/2)) < h(eps beta^(-1/2)),   -N h'((c-2 eps) beta^(-1/2)) < h'(eps beta^(-1/2)).

    The sign of the second is corrected. Arguments broadcast: all above 0.

    >>> from compare import theory
    >>> limit = theory.frozen_weight_limit(8.0, 0.1)
    >>> theory.frozen_centres_hold(1e3, 8.0, 0.1, [limit, 1e12]).tolist()
    [True, False]
    """
    beta, c, eps = positive("beta", beta), positive("c", c), positive("eps", eps)
    weight, unit = positive("total_weight", total_weight), 1 / np.sqrt(beta)
    first = weight * pull((c - 1 - 2 * eps) * unit, beta) < pull(eps * unit, beta)
    second = -weight * pull_slope((c - 2 * eps) * unit, beta) < pull_slope(eps * unit, beta)
    return (c > 2 + 2 * eps) & first & second


def frozen_weight_limit(c: Numbers, eps: Numbers) -> Reals:
    """e^(3 (c-1-2 eps)^2/8) eps/(c-1): a total weight N below it suffices for `frozen_centres_hold` (2411.04990).

    >>> from compare import theory
    >>> theory.frozen_weight_limit([4.0, 6.0, 8.0], 0.1).round(1).tolist()
    [0.6, 113.1, 484806.3]
    """
    eps = positive("eps", eps)
    c = real("c", c, lambda x: x > 2 + 2 * eps, "above 2 + 2 eps")
    return np.exp(3 * (c - 1 - 2 * eps) ** 2 / 8) * eps / (c - 1)


def _cap_share(beta: Numbers, c: Numbers, d: Numbers) -> Reals:
    """Share of S^(d-1) within the chord c beta^(-1/2) of a point."""
    chord = np.minimum(positive("c", c) / np.sqrt(positive("beta", beta)), 2.0)
    shape = (dimension(d) - 1) / 2
    return betainc(shape, shape, chord**2 / 4)
