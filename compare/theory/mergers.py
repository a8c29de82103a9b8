"""Two clusters on their way to each other: exact times at every beta, and the law of the closest of many pairs.

With angle theta, u = cos theta, q = e^(beta (u-1)), masses m1, m2, P = m1 m2 and S = m1^2 + m2^2, the pair moves on
its great circle as (USA, SA, causal SA with the first token fixed)

    theta' = -(m1 + m2) q sin theta,
    theta' = -[m2 q/(m1 + m2 q) + m1 q/(m2 + m1 q)] sin theta,
    theta' = -[m1 q/(m2 + m1 q)] sin theta.

No pair meets in finite time (theta ~ e^(-t) at the end), so each time is quoted to a stop angle. The survey
(2512.01868, its theorem on slow mergers) prints that a pair meets in finite rescaled time along a flow without
masses: that is false, and the forms below, integrated from the equations above, replace it. Everything here is exact
for two clusters that are all there is; with others present the rest pulls by e^(-beta (1 - cos)) of its distance.
"""

from typing import NamedTuple

import numpy as np

from compare.theory.domain import (
    Numbers,
    Reals,
    dynamics,
    inverse_temperature,
    mass_pair,
    option,
    positive,
    real,
)
from compare.theory.domain import angle as checked_angle
from compare.theory.exponential import e1_span, ei_span
from compare.theory.quadrature import gauss_panels

Masses = tuple[Numbers, Numbers]


class _Arc(NamedTuple):
    """From one angle to a smaller one: 1 - cos and 1 + cos at both ends, and how much cos grows."""

    near_start: Reals
    near_stop: Reals
    far_start: Reals
    far_stop: Reals
    gain: Reals

    def log_pull(self, beta: Reals) -> Reals:
        """ln int dtheta / (q sin theta): the time of USA at total mass one."""
        spans = ei_span(beta, self.near_start, self.near_stop, self.gain)
        spans = spans + e1_span(beta, self.far_start, self.far_stop, self.gain)
        with np.errstate(divide="ignore"):
            return beta * self.near_start + np.log(spans / 2)

    def drift(self) -> Reals:
        """int dtheta / sin theta, the growth of artanh(cos theta)."""
        return (np.log1p(self.gain / self.near_stop) + np.log1p(self.gain / self.far_start)) / 2


def log_merge_time(
    beta: Numbers,
    angle: Numbers,
    stop_angle: Numbers = 1e-3,
    masses: Masses = (0.5, 0.5),
    kind: str = "SA",
    clock: str = "metastability",
) -> Reals:
    """Natural logarithm of `merge_time`, finite for every beta (tried to 1e6): same arguments and errors.

    -inf where stop_angle equals angle.

    >>> import numpy as np
    >>> from compare import theory
    >>> (theory.log_merge_time([1e3, 1e6], 1.0) / [1e3, 1e6]).round(3).tolist()
    [0.452, 0.46]
    >>> round(float(1 - np.cos(1.0)), 3)
    0.46
    """
    dynamics(kind, clock)
    return _log_time(inverse_temperature(beta), _arc(angle, stop_angle), mass_pair(masses), kind, clock)


def merge_time(
    beta: Numbers,
    angle: Numbers,
    stop_angle: Numbers = 1e-3,
    masses: Masses = (0.5, 0.5),
    kind: str = "SA",
    clock: str = "metastability",
) -> Reals:
    """Time in which two clusters close in from `angle` to `stop_angle`, in any dimension.

    With T = (1/2)[Ei(beta v0) - Ei(beta v1)] + (1/2) e^(2 beta) [E1(beta (2-v0)) - E1(beta (2-v1))], v = 1 - u:

        USA: T / (m1 + m2), so independent of how the mass is shared;
        SA:  (P/S) T + (1 - 2 P^2/S^2) D - P (1 - 4 P^2/S^2) int du/((1-u^2)(S e^(beta (1-u)) + 2P)),

    D = artanh u1 - artanh u0, with P and S of the masses divided by their sum. Equal masses: (D + T)/2. The last
    integral, which is at most D, is done by quadrature in artanh u, where it is smooth at every beta.

    Arguments broadcast. beta: finite, >= 0. angle, stop_angle: radians, 0 < stop_angle <= angle < pi. masses: two
    positive shares of all tokens; a sum below one is a pair among others whose pull is left out. kind: "SA" or
    "USA". clock: for USA, as in `gamma_time`.
    Returns times >= 0; inf beyond floating point (beta (1 - cos angle) about 710): take `log_merge_time` there.
    Relative accuracy about 1e-13. Raises ValueError outside these domains. Source: derived here from the equations
    of 2410.06833; at equal masses it is the curve of 2312.10794 with n = 2.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.merge_time(0.0, 1.0)), 3), round(float(np.log(np.tan(0.5) / np.tan(5e-4))), 3)
    (6.996, 6.996)
    >>> round(float(theory.merge_time(9.0, 1.0)), 3)
    12.878
    """
    with np.errstate(over="ignore"):
        return np.exp(log_merge_time(beta, angle, stop_angle, masses, kind, clock))


def log_causal_merge_time(
    beta: Numbers, angle: Numbers, stop_angle: Numbers = 1e-3, masses: Masses = (0.5, 0.5)
) -> Reals:
    """Natural logarithm of `causal_merge_time`: same arguments and errors.

    >>> from compare import theory
    >>> round(float(theory.log_causal_merge_time(1e4, 1.0) - theory.log_merge_time(1e4, 1.0)), 4)
    0.6931
    """
    (first, second), arc = mass_pair(masses), _arc(angle, stop_angle)
    pull = arc.log_pull(inverse_temperature(beta)) + np.log(second / first)
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(arc.drift()), pull)


def causal_merge_time(
    beta: Numbers, angle: Numbers, stop_angle: Numbers = 1e-3, masses: Masses = (0.5, 0.5)
) -> Reals:
    """Time in which a second cluster closes in on a first one that does not see it (causal SA, 2411.04990).

    D + (m2/m1) T in the notation of `merge_time`: at equal masses twice its time. masses: of the fixed first cluster,
    then of the second. Other arguments, returns and errors as `merge_time`.

    >>> from compare import theory
    >>> round(float(theory.causal_merge_time(9.0, 1.0) / theory.merge_time(9.0, 1.0)), 6)
    2.0
    """
    with np.errstate(over="ignore"):
        return np.exp(log_causal_merge_time(beta, angle, stop_angle, masses))


def antipodal_escape_time(
    beta: Numbers,
    offset: Numbers,
    stop_angle: Numbers = 1e-3,
    masses: Masses = (0.5, 0.5),
    kind: str = "SA",
    clock: str = "metastability",
) -> Reals:
    """`merge_time` from the angle pi - offset, without the digits that pi - offset would lose.

    Antipodal clusters are at rest but unstable; from a small offset the time grows as ln(1/offset) over the rate
    that `escape_rate(2, beta)` gives for equal masses. offset: radians in (0, pi). Others as `merge_time`.

    >>> import numpy as np
    >>> from compare import theory
    >>> near, far = theory.antipodal_escape_time(1.0, [1e-12, 1e-6])
    >>> round(float((near - far) * theory.escape_rate(2, 1.0) / np.log(1e6)), 6)
    1.0
    """
    dynamics(kind, clock)
    offset, stop = checked_angle("offset", offset), checked_angle("stop_angle", stop_angle)
    real("stop_angle", stop, lambda theta: theta <= np.pi - offset, "at most pi - offset")
    near, far = 2 * np.cos(offset / 2) ** 2, 2 * np.sin(offset / 2) ** 2
    gain = 2 * np.cos((stop + offset) / 2) * np.cos((stop - offset) / 2)
    arc = _Arc(near, 2 * np.sin(stop / 2) ** 2, far, 2 * np.cos(stop / 2) ** 2, np.maximum(gain, 0.0))
    with np.errstate(over="ignore"):
        return np.exp(_log_time(inverse_temperature(beta), arc, mass_pair(masses), kind, clock))


def closest_pair_log_time(
    beta: Numbers, angle: Numbers, m_k: Numbers, m_l: Numbers, kind: str = "SA"
) -> Reals:
    """ln of the time to the first merger of K clusters, as beta grows, from their closest pair (k, l).

        beta (1 - cos theta) - ln(beta sin^2 theta) + ln(c) + ln(1 + 2 cos theta / (beta sin^2 theta)),

    c = 1/(m_k + m_l) for USA on the metastability clock, m_k m_l/(m_k^2 + m_l^2) for SA. The error is about
    (8 cos^2 + 2 sin^2)/(beta sin^2)^2, whatever the stop angle and the dimension; other pairs must be farther by
    more than 1/beta.

    Arguments broadcast. beta: above 0, and beta sin^2(theta) + 2 cos(theta) > 0. angle: radians in (0, pi) between
    the pair. m_k, m_l: positive, their sum at most 1. Returns ln t. Raises ValueError outside these domains.

    >>> from compare import theory
    >>> round(float(theory.closest_pair_log_time(1e3, 1.0, 0.5, 0.5)), 4)
    452.4435
    >>> round(float(theory.log_merge_time(1e3, 1.0)), 4)
    452.4435
    """
    option("kind", kind, ("SA", "USA"))
    m_k, m_l = mass_pair((m_k, m_l))
    beta, theta = positive("beta", beta), checked_angle("angle", angle)
    strength = real(
        "beta sin^2(angle)",
        beta * np.sin(theta) ** 2,
        lambda b: b > -2 * np.cos(theta),
        "above -2 cos(angle)",
    )
    factor = 1 / (m_k + m_l) if kind == "USA" else m_k * m_l / (m_k**2 + m_l**2)
    exponent = 2 * beta * np.sin(theta / 2) ** 2
    return exponent + np.log(factor / strength) + np.log1p(2 * np.cos(theta) / strength)


def merge_displacement(beta: Numbers, angle: Numbers, masses: Masses = (0.5, 0.5), kind: str = "SA") -> Reals:
    """The angle by which the first cluster moves until both meet; the second moves the rest of `angle`.

        SA:  int_0^angle (m2^2 + P q)/(S + 2 P q) dtheta = [m2^2 angle + P (m1^2 - m2^2) int_0^angle q/(S + 2Pq)]/S,
        USA: angle m2/(m1 + m2), so the pair meets at its mass-weighted mean.

    For SA at large beta this tends to angle m2^2/S, with a correction of order beta^(-1/2): the lighter cluster
    moves (m1/m2)^2 times as far, not m1/m2 times.

    Arguments as `merge_time`. Returns radians in (0, angle). Accuracy about 1e-14.

    >>> from compare import theory
    >>> round(float(theory.merge_displacement(1e8, 1.0, (0.25, 0.75))), 3)
    0.9
    >>> round(float(theory.merge_displacement(1e8, 1.0, (0.25, 0.75), "USA")), 3)
    0.75
    """
    option("kind", kind, ("SA", "USA"))
    beta, theta = inverse_temperature(beta), checked_angle("angle", angle)
    first, second = mass_pair(masses)
    first, second = first / (first + second), second / (first + second)
    if kind == "USA":
        return theta * second + np.zeros_like(beta)
    product, squares = first * second, first**2 + second**2
    reach = np.minimum(theta, 12 / np.sqrt(np.maximum(beta, 1e-12)))
    at, weights = gauss_panels(np.zeros_like(reach), reach, 24)
    pull = np.exp(-2 * np.asarray(beta)[..., None] * np.sin(at / 2) ** 2)
    near = np.sum(
        weights * pull / (np.asarray(squares)[..., None] + 2 * np.asarray(product)[..., None] * pull), axis=-1
    )
    return (second**2 * theta + product * (first**2 - second**2) * near) / squares


def _arc(angle: Numbers, stop_angle: Numbers) -> _Arc:
    start, stop = checked_angle("angle", angle), checked_angle("stop_angle", stop_angle)
    real("stop_angle", stop, lambda theta: theta <= start, "at most angle")
    gain = 2 * np.sin((start - stop) / 2) * np.sin((start + stop) / 2)
    near, far = 2 * np.sin(start / 2) ** 2, 2 * np.cos(start / 2) ** 2
    return _Arc(near, 2 * np.sin(stop / 2) ** 2, far, 2 * np.cos(stop / 2) ** 2, gain)


def _log_time(
    beta: Reals,
    arc: _Arc,
    masses: tuple[Reals, Reals],
    kind: str,
    clock: str,
) -> Reals:
    total = masses[0] + masses[1]
    if kind == "USA":
        return arc.log_pull(beta) - np.log(total) - (beta if clock == "survey" else 0.0)
    product = masses[0] * masses[1] / total**2
    squares = 1 - 2 * product
    ratio = product / squares
    rest = (1 - 2 * ratio**2) * arc.drift() - product * (1 - 4 * ratio**2) * _saturated(beta, arc, product)
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(ratio) + arc.log_pull(beta), np.log(rest))


def _saturated(beta: Reals, arc: _Arc, product: Reals) -> Reals:
    """int dz / (S e^(beta (1 - tanh z)) + 2P) over the arc, z = artanh(cos theta): a smooth step in z."""
    start, drift = np.log(arc.far_start / arc.near_start) / 2, arc.drift()
    panels = max(1, int(np.ceil(2 * np.max(drift))))
    at, weights = gauss_panels(start, start + drift, panels)
    exponent = 2 * np.asarray(beta)[..., None] / (np.exp(2 * at) + 1)
    product = np.asarray(product)[..., None]
    integrand = 1 / ((1 - 2 * product) * np.exp(np.minimum(exponent, 700.0)) + 2 * product)
    return np.sum(weights * integrand, axis=-1)
