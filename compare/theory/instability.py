"""The instability of the uniform law: growth rates of its harmonics, and the number of clusters that come out."""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import elementwise

from compare.theory.bessel import LEAST_BETA, log_mean_from, log_ratios
from compare.theory.domain import (
    Array,
    Numbers,
    Reals,
    dimension,
    dynamics,
    inverse_temperature,
    real,
    tokens,
)


def growth_rate(
    degree: Numbers, beta: Numbers, d: int = 2, kind: str = "SA", clock: str = "metastability"
) -> Reals:
    """Linear growth rate of spherical harmonics of one degree l around the uniform law on S^(d-1).

    With Z = Gamma(d/2) (2/beta)^(d/2-1) I_{d/2-1}(beta), the mean of e^(beta <x,y>),

        SA:  l (l+d-2) I_{l+d/2-1}(beta) / (beta I_{d/2-1}(beta));
        USA: the same times Z (survey clock), times Z e^(-beta) (metastability clock).

    On the circle SA has k^2 I_k/(beta I_0) and USA k^2 I_k/beta. (The authors' notebook for 2410.23228 plots
    k^2 I_k/(pi beta): the same best k, a rate too small by pi.) The largest SA rate on the circle tends to 2/e.

    Arguments. degree: whole number >= 1, beta: finite, >= 0; they broadcast. d: one whole number >= 2.
    kind, clock: as `gamma_time`. Returns rates >= 0, inf beyond floating point. Relative accuracy about 1e-13.
    Raises ValueError outside these domains. Cost: O(d + degree + sqrt(beta)) array operations.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.growth_rate(theory.cluster_count(1e4), 1e4)), 3), round(2 / np.e, 3)
    (0.736, 0.736)
    """
    dynamics(kind, clock)
    degree, beta = np.broadcast_arrays(
        real("degree", degree, lambda k: (k >= 1) & (k == np.floor(k)), "a whole number of at least 1"),
        inverse_temperature(beta),
    )
    log_rates, log_mean = _log_growth(beta, int(dimension(d)), int(degree.max()))
    chosen = np.take_along_axis(log_rates, degree[..., None].astype(int) - 1, axis=-1)[..., 0]
    if kind == "USA":
        chosen = chosen + log_mean + (beta if clock == "survey" else 0.0)
    with np.errstate(over="ignore"):
        return np.exp(chosen)


def cluster_count(beta: Numbers, d: int = 2) -> Int[np.ndarray, "..."] | np.int64:
    """The degree l* that grows fastest from the uniform law: on the circle, the number of first clusters.

    About sqrt(2 beta) on the circle (2410.23228). SA and USA share it, as their rates have a common factor. On
    S^(d-1) it stays 1, a plain collapse, up to `critical_beta(d)`: about (2/3)(d + 2), far above the beta of
    trained models, so there uniform data breaks into no clusters.

    beta: finite, >= 0, any shape. d: one whole number >= 2. Returns whole numbers >= 1 of the shape of beta.

    >>> from compare import theory
    >>> theory.cluster_count([1.0, 8.0, 200.0]).tolist(), int(theory.cluster_count(8.0, d=128))
    ([1, 4, 20], 1)
    """
    beta = inverse_temperature(beta)
    most = int(np.ceil(np.sqrt(2 * np.max(beta)))) + 2
    log_rates, _ = _log_growth(beta, int(dimension(d)), most)
    return np.argmax(log_rates, axis=-1) + 1


def cluster_threshold(count: int, d: int = 2) -> float:
    """The beta at which `cluster_count` jumps from `count` to `count` + 1.

    The root of I_{k+d/2}(beta)/I_{k+d/2-1}(beta) = k (k+d-2)/((k+1)(k+d-1)), between two bounds of Amos' type.
    count: k >= 1. d: whole number >= 2. Relative accuracy about 1e-14. Raises ValueError outside.

    >>> from compare import theory
    >>> beta = theory.cluster_threshold(3)
    >>> round(beta, 3), theory.cluster_count([beta - 1e-6, beta + 1e-6]).tolist()
    (6.211, [3, 4])
    """
    k, d = int(real("count", count, lambda c: c >= 1, "at least 1")), int(dimension(d))
    target = k * (k + d - 2) / ((k + 1) * (k + d - 1))
    order = k + d / 2 - 1
    low, high = (2 * target * bound / (1 - target**2) for bound in (order, order + 1))

    def excess(beta: Reals) -> Reals:
        return log_ratios(np.asarray(beta), d, k + 1)[0][..., -1] - np.log(target)

    return float(elementwise.find_root(excess, (low, high)).x)


def critical_beta(d: int) -> float:
    """The beta above which the uniform law on S^(d-1) breaks into more than one cluster: `cluster_threshold(1, d)`.

    (d-1) I_{d/2}(beta) = 2d I_{d/2+1}(beta); about (2/3)(d + 2).

    >>> from compare import theory
    >>> round(theory.critical_beta(2), 3), round(theory.critical_beta(128), 2), round(2 / 3 * 130, 2)
    (1.044, 85.29, 86.67)
    """
    return cluster_threshold(1, d)


def onset_time(
    n: Numbers, beta: Numbers, d: int = 2, kind: str = "SA", clock: str = "metastability"
) -> Reals:
    """Time ln(n)/(2 max_l rate) in which the n^(-1/2) noise of n uniform tokens grows to order one.

    For SA on the circle at large beta (e/4) ln n. A scale, not a bound. Arguments as `growth_rate`; n >= 2.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.onset_time(400, 1e4)), 2), round(float(np.e / 4 * np.log(400)), 2)
    (4.07, 4.07)
    """
    n, beta = np.broadcast_arrays(tokens(n), inverse_temperature(beta))
    return np.log(n) / (2 * growth_rate(cluster_count(beta, d), beta, d, kind, clock))


def cluster_angles(angles: Float[np.ndarray, " n"], count: int) -> Float[np.ndarray, " k"]:
    """Where on the circle the `count` first clusters will be, read off the start (2410.23228, authors' scripts).

    (2 pi j - arg mu_k)/k mod 2 pi, mu_k = (1/n) sum e^(-i k theta). angles: (n,) radians. Returns k sorted radians.

    >>> import numpy as np
    >>> from compare import theory
    >>> theory.cluster_angles(np.array([0.1, 0.1 + np.pi]), 2).round(3).tolist()
    [0.1, 3.242]
    """
    theta = real("angles", angles, np.isfinite, "finite")
    if count < 1:
        raise ValueError(f"count must be at least 1 cluster, got {count}")
    moment = np.mean(np.exp(-1j * count * theta))
    return np.sort((2 * np.pi * np.arange(count) - np.angle(moment)) / count % (2 * np.pi))


def _log_growth(beta: Array, d: int, degrees: int) -> tuple[Array, Reals]:
    """ln of the SA rates of degrees 1..degrees, on a new last axis, and ln(Z e^(-beta))."""
    ratios, log_bessel = log_ratios(beta, d, degrees)
    degree = np.arange(1, degrees + 1)
    log_beta = np.log(np.maximum(beta, LEAST_BETA))
    log_rates = (
        np.log(degree * (degree + d - 2)) + np.cumsum(ratios, axis=-1) - np.asarray(log_beta)[..., None]
    )
    return log_rates, log_mean_from(log_bessel, beta, d)
