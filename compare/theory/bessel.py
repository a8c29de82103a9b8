"""Modified Bessel functions of any order without overflow or underflow, and the mean weight of uniform tokens."""

import numpy as np
from scipy.special import gammaln, ive

from compare.theory.domain import Array, Reals

LEAST_BETA = 1e-30
_SAFE = 1e-290
# SciPy's functions end beyond 2^30; there two terms of Hankel's expansion have all digits up to d of about 1,000.
_LARGEST = 1e9


def log_ratios(beta: Reals, d: int, degrees: int) -> tuple[Array, Reals]:
    """ln I_{v+1}/I_v at v = d/2-1, ..., d/2-2+degrees, on a new last axis, and ln e^(-beta) I_{d/2-1}(beta).

    Backward recurrence of the ratios from far above, where their start is forgotten, down to order 0 or 1/2.
    """
    beta = np.maximum(beta, LEAST_BETA)
    base, steps = (0.0, d // 2 - 1) if d % 2 == 0 else (0.5, d // 2 - 1)
    kept = steps + degrees
    top = kept + 30 + int(7 * np.sqrt(np.max(beta)))
    ratio = beta / (base + top + 1 + np.hypot(base + top + 1, beta))
    logs = []
    for order in range(top - 1, -1, -1):
        ratio = 1 / (2 * (base + order + 1) / beta + ratio)
        if order < kept:
            logs.append(np.log(ratio))
    ratios = np.stack(logs[::-1], axis=-1)
    return ratios[..., steps:], np.log(ive(base, beta)) + ratios[..., :steps].sum(axis=-1)


def log_mean_weight(beta: Reals, d: int) -> Reals:
    """ln of the mean of e^(beta (<x, y> - 1)) over uniform y on S^(d-1), for beta of any size."""
    beta = np.maximum(beta, LEAST_BETA)
    order = d / 2 - 1
    bessel = ive(order, np.minimum(beta, _LARGEST))
    small, large = bessel < _SAFE, beta > _LARGEST
    log_bessel = np.log(np.where(small, 1.0, bessel))
    if np.any(small):
        # The order is far above such a beta, so that the recurrence is short.
        log_bessel = np.where(small, log_ratios(np.where(small, beta, 1.0), d, 1)[1], log_bessel)
    far = np.maximum(beta, _LARGEST)
    first, second = (4 * order**2 - 1) / (8 * far), (4 * order**2 - 9) / (16 * far)
    hankel = -np.log(2 * np.pi * far) / 2 + np.log1p(-first * (1 - second))
    return log_mean_from(np.where(large, hankel, log_bessel), beta, d)


def log_mean_from(log_bessel: Reals, beta: Reals, d: int) -> Reals:
    """ln Gamma(d/2) (2/beta)^(d/2-1) e^(-beta) I_{d/2-1}(beta), from ln e^(-beta) I_{d/2-1}(beta)."""
    log_beta = np.log(np.maximum(beta, LEAST_BETA))
    return gammaln(d / 2) + (d / 2 - 1) * (np.log(2) - log_beta) + log_bessel
