"""Differences of exponential integrals, scaled so that they neither overflow nor cancel.

With Ei(x) = -PV int_{-x}^inf e^(-s)/s ds and E1(x) = int_x^inf e^(-s)/s ds, the two integrals below are
e^(-beta p) [Ei(beta p) - Ei(beta q)] and e^(beta c) [E1(beta c) - E1(beta d)]. Both are positive, are of order
one for every beta, and become ln(p/q) and ln(d/c) at beta = 0. Relative accuracy about 1e-14.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import exp1, expi

from compare.theory.domain import Array, Reals
from compare.theory.quadrature import gauss_panels

_SERIES_FROM = 50.0
_SERIES_TERMS = 30


def _series(x: Reals, sign: int) -> Reals:
    """sum_k k! (sign / x)^k / x: for x >= 50 thirty terms reach 1e-16."""
    total = np.ones_like(x)
    for k in range(_SERIES_TERMS, 0, -1):
        total = 1 + sign * k / x * total
    return total / x


def scaled_ei(x: Reals) -> Reals:
    """e^(-x) Ei(x) for x > 0, of any size."""
    small, large = np.minimum(x, _SERIES_FROM), np.maximum(x, _SERIES_FROM)
    return np.where(x < _SERIES_FROM, np.exp(-small) * expi(small), _series(large, 1))


def scaled_e1(x: Reals) -> Reals:
    """e^x E1(x) for x > 0, of any size."""
    small, large = np.minimum(x, _SERIES_FROM), np.maximum(x, _SERIES_FROM)
    return np.where(x < _SERIES_FROM, np.exp(small) * exp1(small), _series(large, -1))


def ei_span(beta: Reals, upper: Reals, lower: Reals, length: Reals) -> Reals:
    """int_lower^upper e^(-beta (upper - x)) dx / x, for 0 < lower <= upper; `length` is upper - lower.

    The length is asked for apart, since callers know it without cancellation.
    """
    return _span(scaled_ei, -1, *np.broadcast_arrays(beta, upper, lower, length))


def e1_span(beta: Reals, lower: Reals, upper: Reals, length: Reals) -> Reals:
    """int_lower^upper e^(-beta (x - lower)) dx / x, for 0 < lower <= upper; `length` is upper - lower."""
    return _span(scaled_e1, 1, *np.broadcast_arrays(beta, lower, upper, length))


def _span(
    scaled: Callable[[Reals], Reals], sign: int, beta: Array, anchor: Array, other: Array, length: Array
) -> Reals:
    """int_0^length e^(-beta s) ds / (anchor + sign s), in the form that is exact to rounding.

    Quadrature on short spans, where the difference of two special functions would cancel; a logarithm at beta = 0.
    """
    depth, weights = gauss_panels(np.zeros_like(length), length, 1)
    short = np.sum(weights * np.exp(-beta[..., None] * depth) / (anchor[..., None] + sign * depth), axis=-1)
    tiny = np.finfo(np.float64).tiny
    long = scaled(np.maximum(beta * anchor, tiny)) - np.exp(-beta * length) * scaled(
        np.maximum(beta * other, tiny)
    )
    lower, upper = np.minimum(anchor, other), np.maximum(anchor, other)
    is_short = (length <= lower) & (beta * length <= 1)
    return np.where(beta * upper < 1e-17, np.log1p(length / lower), np.where(is_short, short, long))
