"""The demand for 64-bit JAX, made where 32 bits would give wrong digits without a word."""

import jax


def require_64_bit() -> None:
    """Raise ValueError unless JAX computes in 64 bits; nothing in this package turns it on by itself."""
    if not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(
            "JAX computes in 32 bits: turn on 64-bit JAX, jax.config.update('jax_enable_x64', True)"
        )
