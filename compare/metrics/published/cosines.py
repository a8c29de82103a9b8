"""Group A1 and A2 of the post: the cosines of pairs of tokens, and the effective rank."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import entr

from compare.metrics.variable import Variable

NEAR_ONE = 0.9
BINS = np.linspace(-1, 1, 51)
PEAK_HEIGHT = 0.02
LEAST_SINGULAR_VALUE = 1e-10

VARIABLES = {
    "mean_cosine": Variable(
        ("depth",),
        "mean cosine between tokens",
        "1",
        "post, Group A1",
        "mean of <x_i, x_j> over pairs i < j; NaN for a single token",
    ),
    "sd_cosine": Variable(
        ("depth",),
        "standard deviation of the cosine between tokens",
        "1",
        "post, Group A1",
        "population standard deviation of <x_i, x_j> over pairs i < j; NaN for a single token",
    ),
    "cosine_histogram": Variable(
        ("depth", "cosine"),
        "number of pairs by cosine",
        "1",
        "post, Group A1",
        "number of pairs i < j in each of 50 equal bins on [-1, 1], the last bin closed on both sides; "
        "cosines that rounding puts outside are moved to the nearest end",
    ),
    "mass_near_one": Variable(
        ("depth",),
        "mass near one",
        "1",
        "post, Group A1",
        "share of pairs i < j with <x_i, x_j> > 0.9 (strict); NaN for a single token",
    ),
    "histogram_peaks": Variable(
        ("depth",),
        "peaks of the cosine histogram",
        "1",
        "post, Group A1",
        "number of inner bins strictly above both neighbours and above 0.02 of the highest bin; "
        "over 2 is called multimodal, 2 bimodal; a spike in the last bin is never a peak",
    ),
    "effective_rank": Variable(
        ("depth",),
        "effective rank",
        "1",
        "post, Group A2",
        "exp(-sum_k p_k ln p_k) with p_k = s_k / sum s, first power, over the singular values s_k > 1e-10 of the raw "
        "hidden states: length before projection times unit point, neither centred nor normalised",
    ),
    "effective_rank_squared": Variable(
        ("depth",),
        "effective rank, squared singular values",
        "1",
        "the post's later code, Group A2",
        "as effective_rank with p_k = s_k^2 / sum s^2; not comparable with the first-power value",
    ),
}


def gram(points: Float[np.ndarray, "depth token dim"]) -> Float[np.ndarray, "depth token token"]:
    """Cosines G_ij = <x_i, x_j> at each depth; float64 where the post's code has float32."""
    return points @ np.swapaxes(points, 1, 2)


def cosine_statistics(
    cosines: Float[np.ndarray, "depth token token"],
) -> dict[str, np.ndarray]:
    """Mean, spread, histogram, peaks and mass near one of the cosines of pairs i < j (post, Group A1).

    Arguments: cosines, (depth, token, token) from `gram`. Returns the arrays of `VARIABLES`, depth first; means over
    no pair (a single token) are NaN. Cost: O(depth token^2).
    """
    above, right = np.triu_indices(cosines.shape[-1], k=1)
    values = cosines[:, above, right]
    histogram = np.stack([np.histogram(np.clip(row, -1, 1), BINS)[0] for row in values])
    undefined = np.full(len(values), np.nan)
    some = values.shape[1] > 0
    return {
        "mean_cosine": values.mean(axis=1) if some else undefined,
        "sd_cosine": values.std(axis=1) if some else undefined,
        "cosine_histogram": histogram,
        "mass_near_one": (values > NEAR_ONE).mean(axis=1) if some else undefined,
        "histogram_peaks": histogram_peaks(histogram),
    }


def histogram_peaks(histogram: Int[np.ndarray, "depth bin"]) -> Int[np.ndarray, " depth"]:
    """Number of inner bins strictly above both neighbours and above 0.02 of the highest bin (post, Group A1)."""
    height = histogram / np.maximum(histogram.max(axis=1, keepdims=True), 1)
    inner = height[:, 1:-1]
    return np.sum((inner > height[:, :-2]) & (inner > height[:, 2:]) & (inner > PEAK_HEIGHT), axis=1)


def effective_ranks(raw: Float[np.ndarray, "depth token dim"]) -> dict[str, np.ndarray]:
    """Effective rank exp(H(p)) of the raw vectors, for first-power and squared singular values (post, Group A2).

    Arguments: raw, (depth, token, dim) hidden states before projection. Returns `effective_rank` and
    `effective_rank_squared`, (depth,) in [1, min(token, dim)]; NaN where no singular value passes 1e-10.
    The first power is the form of Roy and Vetterli (2007). Cost: one SVD a depth.
    """
    singular = np.linalg.svd(raw, compute_uv=False)
    singular = np.where(singular > LEAST_SINGULAR_VALUE, singular, 0.0)
    return {
        "effective_rank": _exponential_entropy(singular),
        "effective_rank_squared": _exponential_entropy(singular**2),
    }


def _exponential_entropy(weights: Float[np.ndarray, "depth rank"]) -> Float[np.ndarray, " depth"]:
    total = weights.sum(axis=1, keepdims=True)
    share = np.divide(weights, total, out=np.full_like(weights, np.nan), where=total > 0)
    return np.exp(entr(share).sum(axis=1))
