"""The arrays of a field of attention, checked: each by itself, and their sizes against each other."""

from collections.abc import Callable, Mapping
from typing import Any

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
    "query_gain": ("head", "rank"),
    "key_gain": ("head", "rank"),
    "softcap": (),
    "angles": ("n", "pair"),
    "logit_bias": ("head", "n", "n"),
}
DOMAINS: dict[str, Callable[[Array], Any]] = {
    "finite": lambda value: True,
    "finite and at least 0": lambda value: value >= 0,
    "finite and above 0": lambda value: value > 0,
}
BY_PLACE = ("angles", "logit_bias")
"""Those that belong to places, so that they are made for a number of tokens."""


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
            sizes.setdefault(axis, size) == size
            for axis, size in zip(names, array.shape)
            if not (name == "logit_bias" and axis == "head" and size == 1)  # one for all heads
        )
        if not fits:
            raise ValueError(
                f"{name} must have shape ({', '.join(names)}), got {array.shape}, against "
                f"{sizes} of the operators before it: give all of them the same sizes"
            )
    if "pair" in sizes:
        rank, turned = same.get("rank", "rank"), 2 * sizes["pair"]
        if sizes.setdefault(rank, turned) != turned:
            raise ValueError(
                f"angles must have shape (n, {rank} / 2), two coordinates of a query for each angle, got "
                f"{sizes['pair']} angles a token for {rank} = {sizes[rank]}: give angle 0 to pairs that stay"
            )
    return sizes


def by_head(name: str, operator: ArrayLike | None, axes: int) -> Array | None:
    """The operator with a head axis in front; ValueError where it holds NaN or infinity."""
    array = finite(name, operator)
    return array[None] if array is not None and array.ndim == axes else array


def finite(name: str, operator: ArrayLike | None) -> Array | None:
    """The operator as an array; ValueError where it holds NaN or infinity."""
    if operator is None:
        return None
    array = jnp.asarray(operator, float)
    if not isinstance(array, Tracer) and not bool(jnp.all(jnp.isfinite(array))):
        raise ValueError(f"{name} must be finite, got NaN or infinity: check where it comes from")
    return array


def checked_bias(logit_bias: ArrayLike | None, causal: bool, of_softmax: bool) -> Float[Array, "..."] | None:
    """The bias with a head axis in front; ValueError for NaN, infinity, and rows of a softmax that are all hidden."""
    if logit_bias is None:
        return None
    bias = jnp.asarray(logit_bias, float)
    bias = bias[None] if bias.ndim == 2 else bias
    if isinstance(bias, Tracer) or bias.ndim != 3:
        return bias
    if bool(jnp.any(jnp.isnan(bias) | (bias == jnp.inf))):
        raise ValueError("logit_bias must be finite or -inf, got NaN or infinity: give -inf to hidden pairs")
    seen = jnp.tril(bias > -jnp.inf) if causal else bias > -jnp.inf
    hidden = jnp.argwhere(~jnp.any(seen, axis=-1))
    if of_softmax and len(hidden):
        raise ValueError(
            f"logit_bias hides every token from token {int(hidden[0, -1])}, whose softmax is then of nothing: "
            "let it see itself"
        )
    return bias


def number(name: str, value: ArrayLike, domain: str) -> Float[Array, ""]:
    """A number as an array without axes; ValueError where it is known to be outside of its domain, one of `DOMAINS`."""
    if value is None or isinstance(value, str | bytes) or jnp.iscomplexobj(value):
        raise ValueError(f"{name} must be a real number, got {value!r}")
    array = jnp.asarray(float(value) if isinstance(value, int) else value, float)
    if array.ndim != 0:
        raise ValueError(f"{name} must be one number, got shape {array.shape}: use jax.vmap for several")
    if not isinstance(array, Tracer) and not (jnp.isfinite(array) and DOMAINS[domain](array)):
        raise ValueError(f"{name} must be {domain}, got {value}")
    return array


def linear(
    matrix: Float[Array, "head out d"] | None, x: Float[Array, "n d"], bias: Float[Array, "head out"] | None
) -> Float[Array, "_head n _out"]:
    """The (head, n, out) images of the tokens; one head where both are the identity's."""
    image = x[None] if matrix is None else jnp.einsum("hod,nd->hno", matrix, x)
    return image if bias is None else image + bias[:, None]
