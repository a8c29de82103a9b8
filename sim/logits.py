"""What trained models do to queries, keys and their products before the softmax: norms, rotations, a cap."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def normed(
    image: Float[Array, "head n rank"], gain: Float[Array, "_head rank"] | None, epsilon: Float[Array, ""]
) -> Float[Array, "head n rank"]:
    """gain z / sqrt(mean of z^2 + epsilon), z the query or key of a head; z itself where there is no gain.

    Source: RMSNorm, 1910.07467; of queries and keys, 2302.05442.
    """
    if gain is None:
        return image
    square = jnp.mean(image**2, axis=-1, keepdims=True)
    return gain[:, None] * image / jnp.sqrt(square + epsilon)


def rotated(
    image: Float[Array, "head n rank"], angles: Float[Array, "n pair"] | None
) -> Float[Array, "head n rank"]:
    """The pair (a, b) of entries p and p + rank/2 becomes (a cos - b sin, b cos + a sin), by the token's angle p.

    Source: rotary positions, 2104.09864, in the order of entries that GPT-NeoX and Llama use.
    """
    if angles is None:
        return image
    cos, sin = jnp.cos(angles)[None], jnp.sin(angles)[None]
    first, second = jnp.split(image, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def capped(logits: Float[Array, "..."], softcap: Float[Array, ""] | None) -> Float[Array, "..."]:
    """softcap tanh(logits / softcap), the logits themselves where there is no cap. Source: Gemma 2, 2408.00118."""
    return logits if softcap is None else softcap * jnp.tanh(logits / softcap)
