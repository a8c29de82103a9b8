"""Attention whose value path has the same singular values but random directions."""

from collections.abc import Iterator
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from scipy.linalg import helmert

from probe.spectra import factors, random_factors, value_paths
from sim.attention import Attention


def random_operators(field: Attention, draws: int, seed: int = 0) -> Iterator[Attention]:
    """The field with O V of each head replaced by a random operator of the same singular values.

    What each head reads and what it writes are independent random directions (Haar measure) orthogonal to the all-ones
    vector, as in the null of `probe.spectra.spectra`. Queries, keys and biases stay, and so do the weights.

    Arguments: field, with value and output; draws, number of fields; seed. Returns an iterator over fields.
    Raises ValueError for a field without value or output. Cost: O(head d rank^2) a draw.
    """
    paths = value_paths(field)
    parts = [factors(*path) for path in paths]
    dimension = len(paths[0][0])
    plane = helmert(dimension).T
    random = np.random.default_rng((seed, 5))
    for _ in range(draws):
        value = np.zeros((len(paths), *paths[0][1].shape))
        output = np.zeros((len(paths), *paths[0][0].shape))
        for head, part in enumerate(parts):
            turned = random_factors(part, dimension - 1, random)
            rank = len(turned.singular)
            value[head, :rank] = (plane @ turned.right).T
            output[head, :, :rank] = plane @ turned.left * turned.singular
        yield replace(field, value=jnp.asarray(value), output=jnp.asarray(output))
