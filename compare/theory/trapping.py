"""The life of separated caps of tokens: the bounds of 2410.06833, and the sharp values behind them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from compare.theory.domain import Numbers, Reals, option, positive, real, tokens
from compare.theory.mergers import closest_pair_log_time


class TrappingBounds(NamedTuple):
    """The two times of Theorem 1.2 of 2410.06833; NaN where its hypotheses fail.

    >>> from compare import theory
    >>> bounds = theory.trapping_bounds([10.0, 100.0], 0.01, 0.4, 32)
    >>> bounds.holds.tolist(), bounds.log_escape_time.round(2).tolist()
    ([False, True], [nan, 51.93])
    """

    holds: Bool[np.ndarray, "..."]  # all hypotheses met
    margin: Reals  # gamma(beta), must be above 0
    lambda_limit: Reals  # lambda must be below it
    lambda_: Reals  # the lambda used
    collapse_time: Reals  # T1 is at most this
    log_collapse_time: Reals
    escape_time: Reals  # T2 is at least this
    log_escape_time: Reals


class SharpTrapping(NamedTuple):
    """What the two times of Theorem 1.2 of 2410.06833 really are, at leading order.

    >>> import numpy as np
    >>> from compare import theory
    >>> sharp = theory.sharp_trapping(100.0, np.eye(2), np.array([0.5, 0.5]), 0.2, 0.4)
    >>> round(float(sharp.collapse_time), 2), round(float(sharp.log_escape_time), 2)
    (18.04, 94.7)
    """

    collapse_time: Reals
    log_escape_time: Reals


def separation(centres: Float[np.ndarray, "k d"], eps: float) -> float:
    """alpha of 2410.06833: the largest inner product between the caps of height 2 eps around different centres.

    alpha = max_{p != q} cos(max(0, angle(w_p, w_q) - 2 arccos(1 - 2 eps))): caps are closest on the great circle
    through their centres.

    centres: (k, d) unit rows, k >= 2. eps: in (0, 1/16). Returns alpha in [-1, 1]; 1 where two caps overlap.
    Raises ValueError for rows off the sphere, a single centre, or eps outside.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(theory.separation(np.eye(3), 0.01), 4), round(float(np.sin(4 * np.arcsin(0.1))), 4)
    (0.39, 0.39)
    """
    height = float(real("eps", eps, lambda e: (e > 0) & (e < 1 / 16), "in (0, 1/16)"))
    centres = _unit_rows(centres)
    gap = np.min(_angles(centres)[np.triu_indices(len(centres), 1)]) - 4 * np.arcsin(np.sqrt(height))
    return float(np.cos(max(0.0, gap)))


def separation_margin(beta: Numbers, eps: Numbers, alpha: Numbers, n: Numbers) -> Reals:
    """gamma(beta) = 1 - alpha - 8 eps - ln(2 n^2/eps)/beta of 2410.06833: caps are separated where it is above 0.

    Arguments broadcast, and errors, as `trapping_bounds`.

    >>> from compare import theory
    >>> theory.separation_margin([10.0, 100.0, 1000.0], 0.01, 0.4, 32).round(3).tolist()
    [-0.703, 0.398, 0.508]
    """
    beta, eps, alpha, n = _checked(beta, eps, alpha, n)
    return 1 - alpha - 8 * eps - np.log(2 * n**2 / eps) / beta


def trapping_bounds(
    beta: Numbers, eps: Numbers, alpha: Numbers, n: Numbers, lambda_: Numbers | None = None
) -> TrappingBounds:
    """Bounds on the life of separated caps, SA and USA (2410.06833, Theorem 1.2), with the hypotheses checked.

    If every token starts in one of the caps of height eps, then for some T1 < T2

        T1 <= 2 n e^(8 eps beta) + e n lambda beta^2/(beta - 1),        T2 >= (eps/n) e^((1 - alpha) beta):

    until T2 each token stays in its cap of height 2 eps, and on [T1, T2] max |x_i - x_j|^2 <= 2 e^(-lambda beta)
    inside a cap. Hypotheses: beta > 1, gamma(beta) > 0 (`separation_margin`), and 0 < lambda below both

        e^((1-alpha) beta) (beta-1) eps/(beta^2 n^2 e) (1 - e^(-gamma(beta) beta)),
        1 - alpha - 8 eps - ln(2 n^2/(1 - 8 eps))/beta.

    The paper prints the logarithm of the second limit with the opposite sign; this is the corrected one. Both times
    are on the metastability clock (USA) or SA's own. They are far from sharp, see `sharp_trapping`.

    Arguments broadcast. beta: above 1. eps: in (0, 1/16). alpha: in [-1, 1], from `separation`. n: at least 2
    tokens. lambda_: above 0, or None for 0.9 of its limit.
    Returns `TrappingBounds`; times are NaN where `holds` is false, inf beyond floating point (the log_ forms are not).
    Raises ValueError outside these domains.

    >>> from compare import theory
    >>> bounds = theory.trapping_bounds(100.0, 0.01, 0.4, 32)
    >>> bool(bounds.holds), round(float(bounds.log_collapse_time), 2), round(float(bounds.log_escape_time), 2)
    (True, 12.18, 51.93)
    """
    beta, eps, alpha, n = np.broadcast_arrays(*_checked(beta, eps, alpha, n))
    margin = separation_margin(beta, eps, alpha, n)
    separated = margin > 0
    log_rate = (1 - alpha) * beta + np.log((beta - 1) * eps / (beta**2 * n**2)) - 1
    with np.errstate(over="ignore"):
        first = np.exp(log_rate) * -np.expm1(-np.where(separated, margin, 0.0) * beta)
    second = 1 - alpha - 8 * eps - np.log(2 * n**2 / (1 - 8 * eps)) / beta
    limit = np.where(separated, np.minimum(first, second), np.nan)
    given = 0.9 * limit if lambda_ is None else positive("lambda_", lambda_) + np.zeros_like(limit)
    holds = separated & (limit > 0) & (given < limit)
    slow = np.log(n * np.where(holds, given, 1.0) * beta**2 / (beta - 1)) + 1
    log_collapse = np.where(holds, np.logaddexp(np.log(2 * n) + 8 * eps * beta, slow), np.nan)
    log_escape = np.where(holds, np.log(eps / n) + (1 - alpha) * beta, np.nan)
    with np.errstate(over="ignore"):
        times = np.exp(log_collapse), np.exp(log_escape)
    fields = holds, margin, limit, given, times[0], log_collapse, times[1], log_escape
    return TrappingBounds(*(np.asarray(field)[()] for field in fields))


def mean_field_log_escape(beta: Numbers, eps: Numbers, alpha: Numbers, clusters: Numbers) -> Reals:
    """ln((eps/k) e^(beta (1 - alpha - 8 eps))), which lies between T1 and T2 for a measure on k caps (2410.06833).

    The mean-field twin of `trapping_bounds`, with k for n; its hypothesis is gamma(beta) > 8 eps, and the value is
    NaN where that fails. Arguments broadcast, and errors, as `trapping_bounds`.

    >>> from compare import theory
    >>> theory.mean_field_log_escape([10.0, 100.0], 0.01, 0.4, 3).round(2).tolist()
    [nan, 46.3]
    """
    beta, eps, alpha, clusters = _checked(beta, eps, alpha, clusters)
    holds = separation_margin(beta, eps, alpha, clusters) > 8 * eps
    return np.where(holds, np.log(eps / clusters) + beta * (1 - alpha - 8 * eps), np.nan)[()]


def cap_contraction_bound(rho: Numbers, n: Numbers, beta: Numbers, alpha: Numbers) -> Reals:
    """Lower bound on the growth rate of rho, the smallest inner product inside a cap (2410.06833).

    rho' >= (2/n) rho (1 - rho) e^(beta (rho - 1)) - 2 n e^(-(1 - alpha) beta) while the caps stay alpha-separated.
    Arguments broadcast. rho: in [0, 1]. Others as `trapping_bounds`.

    >>> import numpy as np
    >>> from compare import theory
    >>> float(theory.cap_contraction_bound(0.9, 32, 100.0, 0.4).round(9))
    2.55e-07
    >>> round(2 / 32 * 0.9 * 0.1 * float(np.exp(-10.0)), 9)
    2.55e-07
    """
    rho = real("rho", rho, lambda u: (u >= 0) & (u <= 1), "in [0, 1]")
    beta, _, alpha, n = _checked(beta, 0.01, alpha, n)
    return 2 / n * rho * (1 - rho) * np.exp(beta * (rho - 1)) - 2 * n * np.exp(-(1 - alpha) * beta)


def sharp_trapping(
    beta: Numbers,
    centres: Float[np.ndarray, "k d"],
    masses: Float[np.ndarray, " k"],
    start_distance: Numbers,
    lambda_: Numbers,
    kind: str = "SA",
) -> SharpTrapping:
    """The sharp values of the two times that `trapping_bounds` bounds.

    Inside a tight cap squared distances decay as e^(-2t) (SA) or e^(-2 m_q t) (USA), so they pass 2 e^(-lambda beta)
    at T1 = (lambda beta + ln(start_distance^2/2))/2, over m_q for USA, where the lightest cap is the last; T2 is the
    merger of the pair that merges first, `closest_pair_log_time`; of pairs beyond a right angle only the closest count.

    beta, lambda_, start_distance: broadcast; the largest distance inside a cap at the start, at most 2.
    centres: (k, d) unit rows, k >= 2. masses: (k,) shares of the tokens, sum 1. kind: "SA" or "USA".
    Returns `SharpTrapping`; a collapse time of 0 where the caps start tight enough. Raises ValueError outside.

    >>> import numpy as np
    >>> from compare import theory
    >>> sharp = theory.sharp_trapping(100.0, np.eye(2), np.array([0.5, 0.5]), 0.2, 0.4)
    >>> round(float(sharp.log_escape_time), 3), round(float(theory.log_merge_time(100.0, np.pi / 2)), 3)
    (94.702, 94.702)
    """
    option("kind", kind, ("SA", "USA"))
    centres = _unit_rows(centres)
    masses = positive("masses", masses)
    if masses.shape != centres.shape[:1] or abs(masses.sum() - 1) > 1e-9:
        raise ValueError(f"masses must be {len(centres)} shares with sum 1, got {masses.tolist()}")
    beta, lambda_ = positive("beta", beta), positive("lambda_", lambda_)
    distance = real("start_distance", start_distance, lambda r: (r > 0) & (r <= 2), "in (0, 2]")
    collapse = np.maximum(0.0, (lambda_ * beta + np.log(distance**2 / 2)) / 2)
    if kind == "USA":
        collapse = collapse / masses.min()
    angles = _angles(centres) + np.diag(np.full(len(centres), np.inf))
    rows, columns = np.nonzero(np.triu(angles <= max(np.pi / 2, angles.min()) + 1e-9))
    escapes = closest_pair_log_time(
        beta[..., None], angles[rows, columns], masses[rows], masses[columns], kind
    )
    return SharpTrapping(collapse, np.min(escapes, axis=-1))


def _checked(beta: Numbers, eps: Numbers, alpha: Numbers, n: Numbers) -> tuple[Reals, ...]:
    return (
        real("beta", beta, lambda b: b > 1, "finite and above 1"),
        real("eps", eps, lambda e: (e > 0) & (e < 1 / 16), "in (0, 1/16)"),
        real("alpha", alpha, lambda a: np.abs(a) <= 1, "in [-1, 1]"),
        tokens(n),
    )


def _unit_rows(centres: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "k d"]:
    if len(centres) < 2 or not np.allclose(np.linalg.norm(centres, axis=-1), 1, atol=1e-6):
        raise ValueError("centres must be at least 2 unit rows: divide each row by its length")
    return np.asarray(centres, np.float64)


def _angles(centres: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "k k"]:
    """Angles between rows, accurate near 0 and near pi."""
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
    return 2 * np.arctan2(apart, np.linalg.norm(centres[:, None] + centres, axis=-1))
