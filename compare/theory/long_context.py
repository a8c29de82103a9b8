"""One attention layer on a long context: the temperature below which it merges its tokens (2510.05554)."""

import numpy as np

from compare.theory.domain import Numbers, Reals, inverse_temperature, positive, real, tokens


def output_cosine(rho: Numbers, n: Numbers, beta: Numbers) -> Reals:
    """Cosine between two outputs of attention without residual on n tokens at mutual inner product rho.

    With w = e^(-beta (1 - rho)), exactly, at every n:

        cos = 1 - (1-w)^2 (1-rho) / [(1-w)^2 + 2 (1-w) w (1 + (n-1) rho) + w^2 n (1 + (n-1) rho)].

    Arguments broadcast. rho: in [0, 1). n: at least 2. beta: finite, >= 0. Returns values in [rho, 1].
    Raises ValueError outside. Source: derived here; its limit is the theorem of 2510.05554.

    >>> from compare import theory
    >>> beta = theory.critical_context_beta(0.5, 1e6)
    >>> theory.output_cosine(0.5, 1e6, [0.0, beta, 4 * beta]).round(4).tolist()
    [1.0, 0.8, 0.5]
    """
    rho = real("rho", rho, lambda u: (u >= 0) & (u < 1), "in [0, 1)")
    n, beta = tokens(n), inverse_temperature(beta)
    own, other = -np.expm1(-beta * (1 - rho)), np.exp(-beta * (1 - rho))
    mean = 1 + (n - 1) * rho
    return 1 - own**2 * (1 - rho) / (own**2 + 2 * own * other * mean + other**2 * n * mean)


def critical_context_beta(rho: Numbers, n: Numbers) -> Reals:
    """beta = ln(n)/(1 - rho), the scale at which attention changes from merging all tokens to leaving them alone.

    >>> from compare import theory
    >>> theory.critical_context_beta([0.0, 0.5, 0.9], 1024).round(2).tolist()
    [6.93, 13.86, 69.31]
    """
    return np.log(tokens(n)) / (1 - real("rho", rho, lambda u: (u >= 0) & (u < 1), "in [0, 1)"))


def long_context_limit(rho: Numbers, gamma: Numbers) -> Reals:
    """Limit of `output_cosine` as n grows at beta = gamma ln(n) (2510.05554).

    1 for gamma (1 - rho) < 1, 4 rho/(1 + 3 rho) at equality, rho above. Arguments broadcast: rho in (0, 1) (at
    rho = 0 the limits differ), gamma > 0. Equality is judged to 1e-12. Raises ValueError outside.

    >>> from compare import theory
    >>> theory.long_context_limit(0.5, [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.8, 0.5]
    """
    rho = real("rho", rho, lambda u: (u > 0) & (u < 1), "in (0, 1)")
    strength = positive("gamma", gamma) * (1 - rho)
    critical = np.abs(strength - 1) < 1e-12
    return np.where(critical, 4 * rho / (1 + 3 * rho), np.where(strength < 1, 1.0, rho))[()]
