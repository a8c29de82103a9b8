"""Learned operators of attention with a head axis in front, their sizes checked against each other."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

AXES = {
    "query": ("head", "rank", "d"),
    "key": ("head", "rank", "d"),
    "value": ("head", "value_dim", "d"),
    "output": ("head", "d", "value_dim"),
    "query_bias": ("head", "rank"),
    "key_bias": ("head", "rank"),
    "value_bias": ("head", "value_dim"),
    "output_bias": ("d",),
}


def axis_sizes(operators: Mapping[str, Array | None]) -> dict[str, int]:
    """Sizes of the axes by name; ValueError unless each of them is the same wherever it occurs."""
    given = {name: operators[name] for name in AXES}
    same = {}
    if given["query"] is None or given["key"] is None:
        same["rank"] = "d"
    if given["value"] is None or given["output"] is None:
        same["value_dim"] = "d"
    sizes: dict[str, int] = {}
    for name, array in given.items():
        if array is None:
            continue
        names = tuple(same.get(axis, axis) for axis in AXES[name])
        fits = array.ndim == len(names) and all(
            sizes.setdefault(axis, size) == size for axis, size in zip(names, array.shape)
        )
        if not fits:
            raise ValueError(
                f"{name} must have shape ({', '.join(names)}), got {array.shape}, against "
                f"{sizes} of the operators before it: give all of them the same sizes"
            )
    return sizes


def by_head(name: str, operator: ArrayLike | None, axes: int) -> Array | None:
    """The operator with a head axis in front; ValueError where it holds NaN or infinity."""
    if operator is None:
        return None
    array = jnp.asarray(operator, float)
    if not isinstance(array, Tracer) and not bool(jnp.all(jnp.isfinite(array))):
        raise ValueError(f"{name} must be finite, got NaN or infinity: check where it comes from")
    return array[None] if array.ndim == axes else array


def linear(
    matrix: Float[Array, "head out d"] | None, x: Float[Array, "n d"], bias: Float[Array, "head out"] | None
) -> Float[Array, "_head n _out"]:
    """The (head, n, out) images of the tokens; one head where both are the identity's."""
    image = x[None] if matrix is None else jnp.einsum("hod,nd->hno", matrix, x)
    return image if bias is None else image + bias[:, None]
