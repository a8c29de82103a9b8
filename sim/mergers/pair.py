"""Two clusters alone: the time and the place of their merger by quadrature, at any beta, with no time stepping.

Two clusters at angle theta stay on their great circle, and y = log tan(theta / 2) obeys dy/dt = -g e^(-beta v), with
v = 1 - cos(theta) and

    g = m_i + m_j  (USA),    g = m_j / (m_i + m_j q) + m_i / (m_j + m_i q),  q = e^(-beta v)  (SA).

So T = int e^(beta v) / g dy, all exponents of which are at most beta v at the start, and i moves by the integral of its
own share of g over theta. Everything here is derived for this project; no special function, no overflow, any masses.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import root_scalar

_NODES, _GAUSS = np.polynomial.legendre.leggauss(12)
_NODES, _GAUSS = (_NODES + 1) / 2, _GAUSS / 2
_LONGEST = 1.0
_GROWTH = 1.7
_SPENT = 50.0


class Pairs(NamedTuple):
    """Isolated pairs, one a row, followed from their angle down to that of the merge chord, over panels in y.

    `log_elapsed` is log t at the end of each panel (the first one has none), `turned` the angle that i has moved, and
    `closed` the angle by which the pair has closed: both rise along a row.
    """

    x: Float[np.ndarray, "pair 2 d"]
    mass: Float[np.ndarray, "pair 2"]
    angle: Float[np.ndarray, " pair"]
    y: Float[np.ndarray, "pair edge"]
    log_elapsed: Float[np.ndarray, "pair edge"]
    turned: Float[np.ndarray, "pair edge"]
    closed: Float[np.ndarray, "pair edge"]
    beta: float
    usa: bool

    @property
    def evaluations(self) -> int:
        """Quadrature nodes a pair."""
        return (self.y.shape[1] - 1) * _NODES.size


def angles(x: Float[np.ndarray, "pair 2 d"]) -> Float[np.ndarray, " pair"]:
    """Angle between the two points of each pair, accurate where they nearly coincide and nearly oppose."""
    first, second = x[:, 0], x[:, 1]
    return 2 * np.arctan2(np.linalg.norm(first - second, axis=1), np.linalg.norm(first + second, axis=1))


def _lift(y: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """v = 1 - cos(theta) = 2 / (1 + e^(-2 y))."""
    return 1 + np.tanh(y)


def _quadrature(top, bottom, mass, beta: float, usa: bool):
    """Over y from `bottom` up to `top`: log of the time, the angle closed, the angle that i turned.

    e^(beta v(top)) is taken out of the time, whose exponents beta (v - v(top)) come from sinh, free of cancellation.
    """
    length = top - bottom
    nodes = top[..., None] - length[..., None] * _NODES
    first, second = mass[..., 0, None], mass[..., 1, None]
    with np.errstate(over="ignore", under="ignore"):
        fall = np.sinh(top[..., None] - nodes) / (
            np.cosh(np.minimum(np.abs(top[..., None]), 300)) * np.cosh(nodes)
        )
        q = np.exp(-beta * _lift(nodes))
        by_first = second * np.ones_like(q) if usa else second / (first + second * q)
        by_second = first * np.ones_like(q) if usa else first / (second + first * q)
        speed = by_first + by_second
        time = length * np.sum(_GAUSS * np.exp(-beta * fall) / speed, axis=-1)
        sine = 1 / np.cosh(nodes)
    closed = length * np.sum(_GAUSS * sine, axis=-1)
    turned = length * np.sum(_GAUSS * sine * by_first / speed, axis=-1)
    with np.errstate(divide="ignore"):
        log_time = beta * _lift(top) + np.log(time)
    exact = 2 * (np.arctan(np.exp(top)) - np.arctan(np.exp(bottom)))
    share = np.divide(turned, closed, out=np.zeros_like(turned), where=closed > 0)
    return log_time, exact, exact * share


def _panels(
    angle: Float[np.ndarray, " pair"], mass: Float[np.ndarray, "pair 2"], end: float, beta: float
) -> Float[np.ndarray, "pair edge"]:
    """Ends of the panels in y, from the start down; their number does not grow with beta.

    Doubling from where beta v starts to fall, 1 / (1 + beta sin^2 theta), until the time is spent; one panel down to
    where q is felt again, since i's share is constant in between; panels of one length until q nears 1, at
    y = -log(beta) / 2; then growing ones, since 1 - q falls like e^(2 y).
    """
    top, bottom = np.log(np.tan(angle / 2)), np.log(np.tan(end / 2))
    turn = min(-np.log(max(beta, 1)) / 2 - 1, float(np.min(top)))
    far = _SPENT + float(np.max(np.abs(np.log(mass[:, 0] / mass[:, 1]))))
    ends = [top]
    length = 1 / (1 + beta * float(np.max(np.sin(angle))) ** 2)
    while np.any(ends[-1] > turn) and np.any(beta * (_lift(top) - _lift(ends[-1])) < far):
        ends.append(ends[-1] - min(length, _LONGEST))
        length = 2 * length
    if beta > far:
        ends.append(np.minimum(ends[-1], np.arctanh(far / beta - 1)))
    while np.any(ends[-1] > turn):
        ends.append(ends[-1] - _LONGEST)
    length = _LONGEST
    while np.any(ends[-1] > bottom):
        ends.append(ends[-1] - length)
        length = _GROWTH * length
    return np.maximum(np.stack(ends, axis=1), bottom)


def follow(
    x: Float[np.ndarray, "pair 2 d"], mass: Float[np.ndarray, "pair 2"], end: float, beta: float, usa: bool
) -> Pairs:
    """Follow pairs of unit points from where they are down to the chord `end`: O(log beta) nodes a pair.

    Raises nothing: a pair at exact antipodes never moves, and has log time inf.
    """
    angle = angles(x)
    y = _panels(np.minimum(angle, np.pi * (1 - 1e-15)), mass, 2 * np.arcsin(end / 2), beta)
    log_time, closed, turned = _quadrature(y[:, :-1], y[:, 1:], mass[:, None], beta, usa)
    zero = np.zeros((len(y), 1))
    elapsed = np.concatenate([zero - np.inf, np.logaddexp.accumulate(log_time, axis=1)], axis=1)
    elapsed[opposed(x), 1:] = np.inf
    return Pairs(
        x,
        mass,
        angle,
        y,
        elapsed,
        np.concatenate([zero, np.cumsum(turned, axis=1)], axis=1),
        np.concatenate([zero, np.cumsum(closed, axis=1)], axis=1),
        beta,
        usa,
    )


def opposed(x: Float[np.ndarray, "pair 2 d"]) -> Bool[np.ndarray, " pair"]:
    """Which pairs stand at antipodes to rounding: a saddle, whose direction of escape nothing tells."""
    return np.linalg.norm(x[:, 0] + x[:, 1], axis=1) < 1e-12


def place(pairs: Pairs, k: int, turned: Float[np.ndarray, " s"], closed: Float[np.ndarray, " s"]):
    """Both points of pair `k`, (s, 2, d), once i has turned and the pair has closed by these angles."""
    first, second = pairs.x[k]
    gap = second - first
    along = gap - (gap @ first) * first
    along /= max(np.linalg.norm(along), 1e-300)
    turns = np.stack([turned, pairs.angle[k] - (closed - turned)], axis=1)[..., None]
    return np.cos(turns) * first + np.sin(turns) * along


def merger(pairs: Pairs, k: int) -> Float[np.ndarray, " d"]:
    """Mass centroid of pair `k` at the merge chord."""
    share = pairs.mass[k, 1] / pairs.mass[k].sum()
    turned = pairs.turned[k, -1] + share * (pairs.angle[k] - pairs.closed[k, -1])
    return place(pairs, k, np.array([turned]), np.array([0.0]))[0, 0]


def at_elapsed(pairs: Pairs, k: int, log_elapsed: float) -> Float[np.ndarray, "2 d"]:
    """Both points of pair `k` after e^log_elapsed, which must be before its merger: bisection in y, then placed."""
    row = pairs.log_elapsed[k]
    panel = int(np.clip(np.searchsorted(row, log_elapsed) - 1, 0, row.size - 2))
    top, mass = pairs.y[k, panel : panel + 1], pairs.mass[k : k + 1]

    def down_to(y: float):
        return _quadrature(top, np.array([y]), mass, pairs.beta, pairs.usa)

    def too_early(y: float) -> float:
        return max(float(np.logaddexp(row[panel], down_to(y)[0][0])), -1e300) - log_elapsed

    bracket = (float(pairs.y[k, panel + 1]), float(top[0]))
    y = root_scalar(too_early, bracket=bracket, method="brentq", xtol=1e-15).root
    _, closed, turned = down_to(y)
    return place(pairs, k, pairs.turned[k, panel] + turned, pairs.closed[k, panel] + closed)[0]
