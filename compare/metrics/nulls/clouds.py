"""Fresh Gaussian clouds with the moments of the data: the obvious null, and a measure of what is wrong with it."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from sim.sphere import normalise


def gaussian_cloud(
    points: ArrayLike, draws: int, seed: int = 0
) -> Iterator[Float[np.ndarray, "depth token dim"]]:
    """At each depth, independently, tokens drawn from N(mean, covariance) of the given ones, projected to the sphere.

    It keeps neither what a token shares with itself over depth nor, once projected, the moments, and where the tokens
    are fewer than about four times the dimensions its nearest neighbours are too close: sample covariance fits the
    sample. So it is a negative input and a foil; `token_rotations` is the null to decide by.

    Arguments: points (depth, token, dim); draws, number of clouds; seed. Returns an iterator over (depth, token, dim).
    Cost: O(depth token^2 dim) a draw.
    """
    points = np.asarray(points, np.float64)
    depths, tokens, _ = points.shape
    mean = points.mean(axis=1, keepdims=True)
    random = np.random.default_rng((seed, 6))
    for _ in range(draws):
        mixing = random.standard_normal((depths, tokens, tokens)) / np.sqrt(tokens)
        yield normalise(mean + mixing @ (points - mean))
