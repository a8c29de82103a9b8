"""The ingredients of clouds that no attention made: spectra, planted centres, memberships, attention by hand."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.sphere import normalise


def one_of(random: np.random.Generator, values: Sequence[int]) -> int:
    """One of the values, each as likely."""
    return int(random.choice(values))


def noise(random: np.random.Generator, *shape: int) -> Float[np.ndarray, "..."]:
    """Independent Gaussian vectors along the last axis, of mean squared length 1."""
    return random.standard_normal(shape) / np.sqrt(shape[-1])


def directions(random: np.random.Generator, *shape: int) -> Float[np.ndarray, "..."]:
    """Independent unit vectors along the last axis, uniform on the sphere."""
    return normalise(random.standard_normal(shape))


def frames(random: np.random.Generator, runs: int, d: int, vectors: int) -> Float[np.ndarray, "run vector d"]:
    """Orthonormal vectors, a random set for each run."""
    whole, upper = np.linalg.qr(random.standard_normal((runs, d, d)))
    signs = np.sign(np.diagonal(upper, axis1=1, axis2=2))  # LAPACK's own choice of signs is not that of Haar
    return (whole * signs[:, None]).swapaxes(1, 2)[:, :vectors]


def spectra(random: np.random.Generator, runs: int, d: int, power: float) -> Float[np.ndarray, "run d d"]:
    """Maps that give a Gaussian the standard deviations k^(-power) along random axes, mean squared length 1."""
    scale = np.arange(1, d + 1) ** -power
    scale *= np.sqrt(d) / np.linalg.norm(scale)
    return frames(random, runs, d, d) * scale[None, :, None]


def anisotropic(
    random: np.random.Generator, runs: int, tokens: int, d: int
) -> Float[np.ndarray, "run token d"]:
    """Gaussian tokens with a spectrum k^(-p), the same p from 0.2 to 1 for all runs, axes of their own."""
    return noise(random, runs, tokens, d) @ spectra(random, runs, d, random.uniform(0.2, 1))


def memberships(
    random: np.random.Generator, runs: int, tokens: int, clusters: int
) -> Int[np.ndarray, "run token"]:
    """The cluster of each token: sizes equal to within one, order at random."""
    return random.permuted(np.tile(np.arange(tokens) % clusters, (runs, 1)), axis=1)


def at_centres(
    centres: Float[np.ndarray, "run cluster d"], members: Int[np.ndarray, "run token"]
) -> Float[np.ndarray, "run token d"]:
    """The centre of each token's cluster."""
    return np.take_along_axis(centres, members[:, :, None], axis=1)


def softmax_attention(
    points: Float[np.ndarray, "run depth token d"], beta: float, seen: Bool[np.ndarray, "token token"]
) -> Float[np.ndarray, "run depth head token token"]:
    """The attention of one head with Q = K = I at this beta, over the keys that a query sees."""
    x = normalise(points)
    weights = np.exp(beta * (x @ x.swapaxes(-1, -2) - 1)) * seen
    return (weights / weights.sum(axis=-1, keepdims=True))[:, :, None]
