"""What a token keeps of an earlier one under causal attention with ALiBi, by place: lost in the middle (2605.09213)."""

import numpy as np
from scipy.special import iv, ive

from compare.theory.domain import Array, Numbers, Reals, dynamics, inverse_temperature, positive, real


def harmonic_influence(
    source: Numbers,
    time: Numbers,
    beta: Numbers,
    decay: Numbers,
    frequency: Numbers = 1,
    clock: str = "metastability",
) -> Reals:
    """lim n E[cos k(theta_n(t) - theta_i(0))], i = source n: how much of an early token's angle the last one has.

    n tokens on the circle, independent and uniform at the start, under causal USA with ALiBi: token j moves by the
    weights e^(-decay (j - i)/n) / Z_j of the tokens i < j before it, Z_j their sum, times e^(beta cos); as a
    `sim.Attention`, the masses 1/n and ``logit_bias`` -decay (j - i)/n - ln(Z_j/n), -inf for i >= j. At order 1/n,

        g_a(t; s) = K sqrt(a t / Y) I_1(2 sqrt(a t Y)),    K = L e^(-L (1 - s)) / (1 - e^(-L)),
        Y = ln[(e^L - 1)/(e^(L s) - 1)],    a t = k^2 I_k(beta) t / beta on the clock "survey",

    s = source, L = decay (K = 1, Y = -ln s at L = 0). k = frequency.

    Arguments broadcast. source: place over n, in (0, 1). time: t >= 0. beta >= 0: 0 is the limit, where only k = 1 has
    an influence. decay: L >= 0, of the logit over the whole context. frequency: k >= 1, whole. clock: e^beta units of
    ``"metastability"`` time are one of ``"survey"`` time; one unit of the paper's own, whose speed is the derivative of
    e^(beta cos), is beta units of survey time.

    Raises ValueError outside. Cost: O(1) a value. Source: 2605.09213, Proposition "Bessel", read in a machine-checked
    restatement. There hat w(n) is defined as an integral over the circle and then given as I_n(beta), which is that
    integral over 2 pi; the latter is meant, as a simulation shows.

    >>> from compare import theory
    >>> theory.harmonic_influence([0.01, 0.3, 0.9], 1.0, 0.0, 3.0).round(3).tolist()
    [0.304, 0.347, 1.265]
    """
    dynamics("USA", clock)
    s, L = source_place(source), real("decay", decay, lambda size: size >= 0, "finite and at least 0")
    k = real("frequency", frequency, lambda n: (n >= 1) & (n == np.floor(n)), "a whole number of at least 1")
    at = _rate(beta, k, clock) * real("time", time, lambda t: t >= 0, "finite and at least 0")
    flat = L < 1e-12
    slope = np.where(flat, 1.0, L)
    kernel = np.where(flat, 1.0, slope * np.exp(-slope * (1 - s)) / -np.expm1(-slope))
    reach = slope * (1 - s) + np.log(np.expm1(-slope) / np.expm1(-slope * s))
    reach = np.where(flat, -np.log(s), reach)
    half = np.sqrt(at * reach)
    # I_1(2 h)/h is 1 at h = 0.
    return (kernel * at * np.where(half > 0, iv(1, 2 * half) / np.where(half > 0, half, 1.0), 1.0))[()]


def positional_influence(
    source: Numbers,
    time: Numbers,
    beta: Numbers,
    decay: Numbers,
    words: Numbers,
    clock: str = "metastability",
) -> Reals:
    """S_t(s) = sum_k e^(-pi^2 k^2/(2 M^2)) g_k(t; s): what a word's place does to the last token finding it.

    M words stand evenly on the circle, n tokens are drawn from them. The last token names the word at place s n with
    the soft accuracy (sqrt(pi/2)/M) (1 + 2 S_t(s)/n) + o(1/n), of which the first part is chance. S rises without
    bound towards s = 0 (primacy) and rises at s = 1 (recency); up to `u_shape_time` it has one minimum between.

    Arguments and clocks as of `harmonic_influence`, which is g_k; words: M >= 1. Raises ValueError outside.
    Cost: O(sqrt(beta)) a value. Source: 2605.09213, Theorem "U-shape", as there. It needs beta > 0 and t > 0, which
    are not written: at beta = 0 its own clock stands still. At finite n the minimum is a whole step of width 1/n.

    >>> import numpy as np
    >>> from compare import theory
    >>> s = np.linspace(0.001, 0.999, 999)
    >>> profile = theory.positional_influence(s, 0.55924124 * np.e, 1.0, 1.0, 8)
    >>> round(float(s[profile.argmin()]), 2), round(float(profile.min()), 4)
    (0.14, 0.5414)
    """
    width = positive("words", words)
    count = 40 + int(12 * np.sqrt(np.max(inverse_temperature(beta))))
    k = np.arange(1.0, count)
    place, moment, inverse, slope = (np.asarray(part)[..., None] for part in (source, time, beta, decay))
    weights = np.exp(-((np.pi * k / width[..., None]) ** 2) / 2)
    return np.sum(weights * harmonic_influence(place, moment, inverse, slope, k, clock), axis=-1)[()]


def u_shape_time(beta: Numbers, decay: Numbers, clock: str = "metastability") -> Reals:
    """The time up to which `positional_influence` is proved to have one minimum, primacy before it and recency behind.

    max_k a_k t = min(3 - sqrt 3, 2 (1 - e^(-L))); longer times may have one too.

    Arguments broadcast, beta >= 0 and decay > 0; clocks as of `harmonic_influence`. Raises ValueError outside.
    Source: 2605.09213, Theorem "U-shape".

    >>> from compare import theory
    >>> round(float(theory.u_shape_time(4.0, 3.0, "survey")) / 4, 9)
    0.042215044
    """
    dynamics("USA", clock)
    beta, decay = inverse_temperature(beta), positive("decay", decay)
    k = np.arange(1.0, 40 + int(12 * np.sqrt(np.max(beta))))
    fastest = np.max(_rate(beta[..., None], k, clock), axis=-1)
    return np.minimum(3 - np.sqrt(3), -2 * np.expm1(-decay)) / fastest


def source_place(source: Numbers) -> Array:
    """Places strictly between the first and the last token."""
    return real("source", source, lambda s: (s > 0) & (s < 1), "strictly between 0 and 1")


def _rate(beta: Numbers, k: Array, clock: str) -> Reals:
    """k^2 I_k(beta)/beta, times e^(-beta) on the metastability clock; its limit at beta = 0."""
    beta = inverse_temperature(beta)
    if clock == "survey" and np.max(beta) > 700:
        raise ValueError(
            f"e^beta overflows on the survey clock at beta = {np.max(beta):g}: use clock='metastability'"
        )
    least = 1e-12  # there I_1/beta is its limit 1/2, to rounding, and the others are as good as 0
    size = np.maximum(beta, least)
    scaled = (iv(k, size) if clock == "survey" else ive(k, size)) / size
    return np.where((k > 1) & (beta < least), 0.0, k**2 * scaled)
