"""The common token rotation: tokens turned into each other, alike at all depths, so that only clusters are lost."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.linalg import helmert, qr

from compare.metrics.nulls.projection import SAMPLES, matched, principal

MOST_ENTRIES = 2**23  # 32 MiB in single precision: what malloc keeps and reuses


class Rotations(NamedTuple):
    """What every draw shares: `mixing`, from a frame to the axes of all depths side by side, and their `means`."""

    mixing: Float[np.ndarray, "frame column"]
    means: Float[np.ndarray, "depth axis"]
    tokens: int


def token_rotations(
    points: ArrayLike, draws: int, seed: int = 0, *, correction: bool = True
) -> Iterator[Float[np.ndarray, "depth token axis"]]:
    """Null trajectories with the means and covariances of the given one, within and between depths, but no clusters.

    With m_l the mean over tokens and C_l = X_l - 1 m_l at depth l, a draw is

        X*_l = unit(1 m~_l + Q C~_l),    Q from the Haar measure of the rotations with Q 1 = 1, one Q for all depths.

    Where tokens are independent draws of one Gaussian process over depth, rotated tokens have the law of the given
    ones, conditional on all means and all C_l' C_m. Then any statistic has an exact p-value, a maximum over depths
    too, and the number of tokens may be below that of the dimensions. Projection to the sphere breaks this: m~ and C~
    are m and C with the mean and the principal axes rescaled such that the *projected* draws have the mean and the
    variances of the data (`compare.metrics.nulls.projection`).

    Arguments
    ---------
    points: (depth, token, dim) unit rows.
    draws: number of null trajectories. seed: of them; the first ones do not depend on their number.
    correction: False leaves m~ = m and C~ = C, for the measurement of what the correction does.

    Returns
    -------
    An iterator over float32 arrays (depth, token, axis) of unit rows in principal coordinates of each depth: chords
    and cosines within a depth are those of the null, between depths they mean nothing.

    Raises ValueError for fewer than 3 tokens.
    Cost: a draw is one QR decomposition O(token^3) and one product O(token^2 depth axis), axis <= min(token, dim) + 1.

    Assumes exchangeable tokens: correlation along positions is not kept.
    """
    points = np.asarray(points, np.float64)
    shared = rotations(points, seed, correction)
    for block in rotated(shared, draws, seed):
        yield from block


def rotations(
    points: Float[np.ndarray, "depth token dim"], seed: int, correction: bool = True, samples: int = SAMPLES
) -> Rotations:
    """The part of `token_rotations` that all draws share; samples, of its correction (`matched`)."""
    tokens = points.shape[1]
    if tokens < 3:
        raise ValueError(f"a rotation of tokens needs at least 3 of them, got {tokens}: give a longer text")
    axes = principal(points)
    if correction:
        axes = matched(axes, seed, samples)
    beside_mean = np.pad(axes.centred, ((0, 0), (0, 0), (0, 1)))
    columns = helmert(tokens) @ np.concatenate(list(beside_mean), axis=1)
    mixing = np.asarray(qr(columns, mode="r")[0])[: tokens - 1]
    return Rotations(mixing.astype(np.float32), axes.means.astype(np.float32), tokens)


def rotated(shared: Rotations, draws: int, seed: int) -> Iterator[Float[np.ndarray, "draw depth token axis"]]:
    """Blocks of draws, as many at once as fit into a bounded memory."""
    depths, axes = shared.means.shape
    of_depth = np.ascontiguousarray(shared.mixing.reshape(-1, depths, axes).swapaxes(0, 1))
    random = np.random.default_rng((seed, 0))
    at_once = max(1, MOST_ENTRIES // (depths * shared.tokens * max(shared.tokens, axes)))
    for start in range(0, draws, at_once):
        frames = haar_frames(min(at_once, draws - start), shared.tokens, len(shared.mixing), random)
        points = np.empty((len(frames), depths, shared.tokens, axes), np.float32)
        for frame, draw in zip(frames, points):
            # one depth at a time stays in the processor's cache
            for mixing, mean, cloud in zip(of_depth, shared.means, draw):
                np.matmul(frame, mixing, out=cloud)
                cloud += mean
                cloud /= np.sqrt(np.einsum("ti,ti->t", cloud, cloud))[:, None]
        yield points


def haar_frames(
    draws: int, tokens: int, size: int, random: np.random.Generator
) -> Float[np.ndarray, "draw token frame"]:
    """Haar frames of `size` orthonormal columns, each orthogonal to the all-ones vector."""
    gaussian = random.standard_normal((draws, tokens, size))
    gaussian -= gaussian.mean(axis=1, keepdims=True)
    frames, triangles = np.linalg.qr(gaussian)
    frames *= np.sign(np.diagonal(triangles, axis1=1, axis2=2))[:, None]
    return frames.astype(np.float32)
