"""Functions of every token, evaluated a tile of tokens at a time, so that memory stays of order n d."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

_TILE = 2**20


def by_tiles(function: Callable[[Int[Array, ""]], Any], n: int, width: int) -> Any:
    """`function` of every token's number, a tile of tokens at a time, when one of them needs n * width numbers."""
    return jax.lax.map(function, jnp.arange(n), batch_size=1 + _TILE // (n * width))
