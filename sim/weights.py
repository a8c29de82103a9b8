"""How much each token attends to each: from matrix products for sums over pairs, from differences one row at a time."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sim.kernel import Numerators, Weigh, by_tiles, product, pulls
from sim.operators import linear


class Weights(eqx.Module):
    """The weights A^h_ij of `Attention`, whose arguments these are."""

    beta: Float[Array, ""]
    kind: Literal["SA", "USA"] = eqx.field(static=True)
    causal: bool = eqx.field(static=True)
    clock: Literal["metastability", "survey"] = eqx.field(static=True)
    query: Float[Array, "head rank _d"] | None
    key: Float[Array, "head rank _d"] | None
    query_bias: Float[Array, "head rank"] | None
    key_bias: Float[Array, "head rank"] | None
    heads: int = eqx.field(static=True)

    def matched(self) -> bool:
        """Whether tokens attend by their own angle, Q = K = I."""
        return all(part is None for part in (self.query, self.key, self.query_bias, self.key_bias))

    def numerators(self, x: Float[Array, "n d"], masses: Float[Array, " n"]) -> Weigh:
        """The function from tokens' numbers to the numerators of their weights, from matrix products.

        Where Q and K are the identity, logits are products of the tokens as seen from an origin.
        """
        queries, keys = linear(self.query, x, self.query_bias), linear(self.key, x, self.key_bias)

        def alignment(
            rows: Int[Array, " rows"], y: Float[Array, "n d"]
        ) -> tuple[Float[Array, "_head rows n"], Float[Array, "_head rows"]]:
            if not self.matched():
                products = product(queries[:, rows], jnp.swapaxes(keys, -1, -2)) - 1
                return products, jnp.take_along_axis(products, rows[None, :, None], axis=-1)[..., 0]
            half = jnp.sum(y**2, axis=-1) / 2
            products = product(y[rows], y.T) - half[rows][:, None] - half[None]
            return products[None], jnp.zeros((1, len(rows)), x.dtype)

        def weigh(rows: Int[Array, " rows"], y: Float[Array, "n d"]) -> Numerators:
            other, own = (self.beta * part for part in alignment(rows, y))
            columns, numbers = jnp.arange(len(x))[None], rows[:, None]
            seen = columns < numbers if self.causal else columns != numbers
            other = jnp.where(seen[None], other, -jnp.inf)
            if self.kind == "SA" and not self.matched():
                top = jnp.maximum(own, jnp.max(other, axis=-1))
                other, own = other - top[..., None], own - top
            if self.kind == "USA" and self.clock == "survey":
                other, own = other + self.beta, own + self.beta
            return Numerators(
                jnp.broadcast_to(masses[None, None] * jnp.exp(other), (self.heads, *other.shape[1:])),
                jnp.broadcast_to(masses[rows][None] * jnp.exp(own), (self.heads, len(rows))),
            )

        return weigh

    def rows(
        self, x: Float[Array, "n d"], masses: Float[Array, " n"]
    ) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number to its weights."""
        n = len(x)
        alignment = self._alignment(x)

        def row(i: Int[Array, ""]) -> Float[Array, "head n"]:
            seen = jnp.arange(n) <= (i if self.causal else n)
            logits = jnp.where(seen[None], self.beta * alignment(i), -jnp.inf)
            if self.kind == "SA":
                weights = masses[None] * jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
                return weights / jnp.sum(weights, axis=-1, keepdims=True)
            return masses[None] * jnp.exp(logits + self.beta if self.clock == "survey" else logits)

        return row

    def _alignment(self, x: Float[Array, "n d"]) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number i to <Q x_i, K x_j> - 1."""
        if self.matched():
            return lambda i: jnp.broadcast_to(
                -jnp.sum((x - x[i][None]) ** 2, axis=-1) / 2, (self.heads, len(x))
            )
        queries = linear(self.query, x, self.query_bias)
        keys = linear(self.key, x, self.key_bias)
        return lambda i: jnp.broadcast_to((keys @ queries[:, i, :, None])[..., 0] - 1, (self.heads, len(x)))


@eqx.filter_custom_jvp
def weighted_pulls(
    weights: Weights, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """sum_hj A^h_ij (x_j - x_i), and sum_j A^h_ij."""
    steepness = weights.beta if weights.matched() else jnp.zeros_like(weights.beta)
    return pulls(weights.numerators(x, masses), x, weights.heads, weights.kind == "SA", steepness)


@weighted_pulls.def_jvp
def _pulls_tangent(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, along = eqx.filter_jvp(_pulls_by_differences, primals, tangents)
    return weighted_pulls(*primals), along


def _pulls_by_differences(
    weights: Weights, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """What `weighted_pulls` is, a row at a time: slow, and with all digits of the derivatives too."""
    row = weights.rows(x, masses)

    def of_token(i: Int[Array, ""]) -> tuple[Float[Array, " d"], Float[Array, " head"]]:
        shares = row(i)
        pull = jnp.sum(jnp.sum(shares, axis=0)[:, None] * (x - x[i][None]), axis=0)
        return pull, jnp.sum(shares, axis=-1)

    return by_tiles(of_token, len(x), max(x.shape[1], weights.heads))
