"""The common inner product gamma(t) of equiangular tokens: how long a full consensus takes."""

import numpy as np
from scipy.optimize import elementwise

from compare.theory.domain import Numbers, Reals, dynamics, inverse_temperature, real, tokens
from compare.theory.exponential import e1_span, ei_span

_LOG_SHORTEST, _LOG_LONGEST = np.log(1e-290), np.log(700.0)


def gamma_log_time(
    gamma: Numbers,
    n: Numbers,
    beta: Numbers,
    kind: str = "SA",
    start: Numbers = 0.0,
    clock: str = "metastability",
) -> Reals:
    """Natural logarithm of `gamma_time`, finite for every beta (tried to 1e6): same arguments and errors.

    -inf where gamma equals start.

    >>> from compare import theory
    >>> (theory.gamma_log_time(0.999, 32, [1e3, 1e6]) / [1e3, 1e6]).round(3).tolist()
    [0.992, 1.0]
    """
    gamma, n, beta, start = _checked(gamma, n, beta, kind, start, clock)
    return _log_time(1 - gamma, gamma - start, n, beta, kind, start, clock)


def gamma_time(
    gamma: Numbers,
    n: Numbers,
    beta: Numbers,
    kind: str = "SA",
    start: Numbers = 0.0,
    clock: str = "metastability",
) -> Reals:
    """Time at which n tokens, all at mutual inner product `start`, reach mutual inner product `gamma`.

    The flow keeps the inner products equal, and (2312.10794, the high-dimensional theorem)

        SA:  g' = 2 e^(beta g) (1 - g) ((n-1) g + 1) / (e^beta + (n-1) e^(beta g)),
        USA: g' = (2/n) e^(beta (g-1)) (1 - g) ((n-1) g + 1).

    We integrate them in closed form: with c = n/(n-1), L(g) = ln(((n-1) g + 1)/(1 - g)), and
    W = (1/2) {Ei(beta (1-g0)) - Ei(beta (1-g1)) + e^(beta c) [E1(beta (g0 + 1/(n-1))) - E1(beta (g1 + 1/(n-1)))]},

        USA: t = W,        SA: t = (n-1)/(2n) [L(g1) - L(g0)] + W/n.

    K equal clusters in mutually orthogonal directions follow the same law with n = K. The paper bounds the distance
    of uniform tokens to this curve for d far above any that is used: hold it against data with that in mind.

    Arguments broadcast. gamma: in [start, 1). n: at least 2 tokens, which needs d >= n (d >= n - 1 for the simplex
    limit). beta: finite, >= 0. kind: "SA" or "USA". start: in (-1/(n-1), 1). clock: for USA, "metastability" is the
    rate e^(beta (<x,y> - 1))/n of 2410.06833; "survey" the rate e^(beta <x,y>)/n of 2312.10794, on which times are
    e^(-beta) shorter. SA has one clock.
    Returns times >= 0, 0 at gamma = start; inf where the time exceeds floating point (beta (1 - start) about 710):
    take `gamma_log_time` there. Relative accuracy about 1e-13.
    Raises ValueError outside these domains.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.gamma_time(0.5, 2, 0.0)), 4), round(float(np.arctanh(0.5)), 4)
    (0.5493, 0.5493)
    >>> round(float(theory.gamma_time(0.5, 2, 9.0)), 1)
    455.5
    """
    with np.errstate(over="ignore"):
        return np.exp(gamma_log_time(gamma, n, beta, kind, start, clock))


def gamma(
    t: Numbers,
    n: Numbers,
    beta: Numbers,
    kind: str = "SA",
    start: Numbers = 0.0,
    clock: str = "metastability",
) -> Reals:
    """Common inner product at time `t` of n tokens that start at mutual inner product `start`.

    The inverse of `gamma_time`, by a bracketed search for the logarithm of s = L(gamma) - L(start), which the
    equation bounds on both sides. Accurate to 1e-13, as far as t is: where t is of order e^beta, its last digit moves
    gamma by about e^beta 2^-53.

    Arguments as `gamma_time`, with t finite and >= 0. Returns values in [start, 1], never decreasing in t.
    Raises ValueError outside the domains. Cost: about 60 evaluations of the closed form, all elements at once.

    >>> from compare import theory
    >>> theory.gamma([0.0, 1.0, 3.0, 9.0], 32, 1.0).round(3).tolist()
    [0.0, 0.152, 0.914, 1.0]
    """
    t = real("t", t, lambda time: time >= 0, "a finite time of at least 0")
    _, n, beta, start = _checked(start, n, beta, kind, start, clock)
    t, n, beta, start = np.broadcast_arrays(t, n, beta, start)
    log_t = np.log(np.where(t > 0, t, 1.0))
    if kind == "SA":
        slowest, fastest = np.logaddexp(beta * (1 - start), np.log(n - 1)), np.log(n - 1)
        scale = log_t + np.log(2 * n)
    else:
        slowest, fastest = beta * (1 - start), np.zeros_like(n)
        scale = log_t + np.log(2) + (beta if clock == "survey" else 0.0)
    low = np.clip(scale - slowest - 1e-9, _LOG_SHORTEST, _LOG_LONGEST - 1)
    high = np.clip(scale - fastest + 1e-9, _LOG_SHORTEST + 1, _LOG_LONGEST)

    def excess(log_s: Reals, log_t: Reals, n: Reals, beta: Reals, start: Reals) -> Reals:
        return _log_time(*_remaining(np.exp(log_s), n, start), n, beta, kind, start, clock) - log_t

    early, late = excess(low, log_t, n, beta, start) >= 0, excess(high, log_t, n, beta, start) <= 0
    found = elementwise.find_root(excess, (low, high), args=(log_t, n, beta, start)).x
    s = np.where((t == 0) | early, 0.0, np.exp(np.where(late, high, found)))
    return np.minimum(start + _remaining(s, n, start)[1], 1.0)


def gamma_deficit_bound(t: Numbers, n: Numbers, beta: Numbers) -> Reals:
    """Upper bound on 1 - gamma(t) for SA from orthogonal tokens (2312.10794).

        1 - gamma(t) <= (1/2) exp(n^2 e^beta / (2 (n + e^(beta/2))) - n t / (n + e^(beta/2))).

    The paper prints it for all t >= 0, where it is false; it holds for t >= n e^beta / 2, and is NaN before.
    Arguments broadcast: t >= 0, n >= 2, beta >= 0. Raises ValueError outside.

    >>> from compare import theory
    >>> theory.gamma_deficit_bound([5.0, 12.0], 8, 1.0).round(4).tolist()
    [nan, 0.1964]
    >>> round(1 - float(theory.gamma(12.0, 8, 1.0)), 10)
    5e-10
    """
    t = real("t", t, lambda time: time >= 0, "a finite time of at least 0")
    n, beta = tokens(n), inverse_temperature(beta)
    with np.errstate(over="ignore"):
        wait, pace = n * np.exp(beta) / 2, n + np.exp(beta / 2)
    holds = t >= wait
    return np.where(holds, 0.5 * np.exp(n * np.where(holds, wait - t, 0.0) / pace), np.nan)[()]


def _checked(
    gamma: Numbers, n: Numbers, beta: Numbers, kind: str, start: Numbers, clock: str
) -> tuple[Reals, ...]:
    dynamics(kind, clock)
    n, beta = tokens(n), inverse_temperature(beta)
    start = real("start", start, lambda g: (g > -1 / (n - 1)) & (g < 1), "in (-1/(n-1), 1)")
    gamma = real("gamma", gamma, lambda g: (g >= start) & (g < 1), "in [start, 1)")
    return gamma, n, beta, start


def _remaining(s: Reals, n: Reals, start: Reals) -> tuple[Reals, Reals]:
    """1 - g and g - start where L(g) = L(start) + s."""
    ratio = ((n - 1) * start + 1) / (1 - start)
    total = ratio * np.exp(s) + n - 1
    return n / total, (1 - start) * ratio * np.expm1(s) / total


def _log_time(
    deficit: Reals,
    gain: Reals,
    n: Reals,
    beta: Reals,
    kind: str,
    start: Reals,
    clock: str,
) -> Reals:
    """ln t from `start` to 1 - deficit = start + gain."""
    near, far = 1 - start, start + 1 / (n - 1)
    with np.errstate(divide="ignore"):
        spans = np.log(ei_span(beta, near, deficit, gain) + e1_span(beta, far, far + gain, gain))
        if kind == "USA":
            return (beta * near if clock == "metastability" else -beta * start) + spans - np.log(2)
        drift = (n - 1) / (2 * n) * (np.log1p(gain / far) + np.log1p(gain / deficit))
        return np.logaddexp(np.log(drift), beta * near + spans - np.log(2 * n))
