"""Tokens in one open hemisphere: the probability of that, and the rate at which they then meet."""

import numpy as np
from scipy.special import betaincc

from compare.theory.domain import Numbers, Reals, dimension, dynamics, inverse_temperature, tokens


def hemisphere_probability(n: Numbers, d: Numbers) -> Reals:
    """Probability that n uniform points of S^(d-1) lie in one open hemisphere (Wendel).

    2^(-(n-1)) sum_{k<d} C(n-1, k): 1 for n <= d, and the incomplete beta function I_{1/2}(n - d, d) beyond. In that
    event SA and USA converge to one point exponentially fast (2312.10794, the cone theorem).
    Arguments broadcast: n >= 2, d >= 2. Raises ValueError outside.

    >>> from compare import theory
    >>> theory.hemisphere_probability([4, 8, 64], 4).round(4).tolist()
    [1.0, 0.5, 0.0]
    """
    n, d = tokens(n), dimension(d)
    return np.where(n <= d, 1.0, betaincc(d, np.maximum(n - d, 1), 0.5))[()]


def consensus_rate(beta: Numbers, kind: str = "SA", clock: str = "metastability") -> Reals:
    """The rate lambda in 1 - <x_i, x_j> ~ e^(-lambda t) at the end of a consensus: 2, for every n.

    2 e^beta for USA on the survey's clock (inf beyond floating point). Arguments as `gamma_time`.

    >>> from compare import theory
    >>> float(theory.consensus_rate(9.0)), round(float(theory.consensus_rate(1.0, "USA", "survey")), 4)
    (2.0, 5.4366)
    """
    dynamics(kind, clock)
    beta = inverse_temperature(beta)
    with np.errstate(over="ignore"):
        return 2 * np.exp(beta if kind == "USA" and clock == "survey" else np.zeros_like(beta))


def cone_rate_bound(n: Numbers, beta: Numbers) -> Reals:
    """Lower bound 1/(2 n e^(2 beta)) on the rate from a hemisphere, the one that the proof in 2312.10794 gives.

    It comes from a' >= (1 - a)/(2 n e^(2 beta)), a(t) = min_i <x_i(t), x*>. Arguments broadcast: n >= 2, beta >= 0.

    >>> from compare import theory
    >>> float(theory.cone_rate_bound(32, 0.0)), float(theory.consensus_rate(0.0))
    (0.015625, 2.0)
    """
    return np.exp(-2 * inverse_temperature(beta)) / (2 * tokens(n))
