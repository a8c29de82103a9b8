"""Which precision is computed in: 64 bits, unless 32 were asked for by name."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Precision = str | np.dtype | type[np.float32] | type[np.float64]
"""float64 or float32, in any of the ways that NumPy takes."""


def checked_precision(dtype: Precision) -> np.dtype:
    """float64 or float32 as a NumPy type; ValueError for any other."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float64 or float32, got {dtype}")
    return found


def require_64_bit(made: Any = None) -> None:
    """Raise ValueError unless JAX computes in 64 bits; nothing in this package turns it on by itself.

    made: arrays that must not have been made before it did, such as a field with its operators.
    """
    if not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(
            "JAX computes in 32 bits: turn on 64-bit JAX, jax.config.update('jax_enable_x64', True)"
        )
    for array in jax.tree.leaves(made):
        dtype = getattr(array, "dtype", np.dtype(np.float64))
        if jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 8:
            raise ValueError(
                f"this field was made in 32 bits, with an array of {dtype}, and this needs 64: make it again with "
                "dtype float64, after jax.config.update('jax_enable_x64', True)"
            )
