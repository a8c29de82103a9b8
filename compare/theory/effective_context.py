"""How many tokens a token really attends to, and the beta from which on that is itself alone."""

import numpy as np
from scipy.optimize import elementwise

from compare.theory.bessel import log_mean_weight
from compare.theory.domain import Numbers, Reals, dimension, inverse_temperature, tokens


def effective_tokens(n: Numbers, beta: Numbers, d: int) -> Reals:
    """N_eff, the weight of n uniform tokens on S^(d-1) over that of the token itself.

        N_eff = n e^(-beta) Gamma(d/2) (2/beta)^(d/2-1) I_{d/2-1}(beta),

    n times the mean of e^(beta (cos - 1)). A token's attention to itself is about 1 / (1 + N_eff), so N_eff = 1 is
    where attention turns from the others to itself. It joins two published scales: beta = log n where d is large
    (2510.05554, cosines near 0), and beta of order n^(2/(d-1)) where d is fixed (2605.08505). Derived for this project.

    Arguments. n: >= 2, beta: finite, >= 0; they broadcast. d: one whole number >= 2. Returns values in (0, n].
    Raises ValueError outside. Cost: O(d + sqrt(beta)) array operations where d is far above beta, else O(1).

    >>> from compare import theory
    >>> theory.effective_tokens(1000, [0.0, 5.0, 500.0], 3).round(3).tolist()
    [1000.0, 99.995, 1.0]
    """
    return np.exp(np.log(tokens(n)) + log_mean_weight(inverse_temperature(beta), int(dimension(d))))


def effective_context_beta(n: Numbers, d: int) -> Reals:
    """The beta at which `effective_tokens` is 1: n/2 for d = 3, about n^2/(2 pi) for d = 2, ln n for large d.

    n: >= 2, any shape. d: one whole number >= 2. Relative accuracy about 1e-12. Raises ValueError outside.

    >>> from compare import theory
    >>> theory.effective_context_beta(1000, 2).round(1), theory.effective_context_beta(1000, 1024).round(3)
    (np.float64(159155.2), np.float64(6.931))
    """
    log_n, d = np.log(tokens(n)), int(dimension(d))
    high = np.ones_like(log_n)
    while np.any(grows := log_n + log_mean_weight(high, d) > 0):
        high = np.where(grows, 4 * high, high)
    low = np.zeros_like(high)

    def excess(beta: Reals, log_n: Reals) -> Reals:
        return log_n + log_mean_weight(np.asarray(beta), d)

    return elementwise.find_root(excess, (low, high), args=(log_n,)).x[()]
