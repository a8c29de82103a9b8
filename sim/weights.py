"""How much each token attends to each: by matrix products for sums over pairs of many tokens, else by differences."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sim.kernel import Numerators, TileRows, Weigh, by_tiles, product, pulls, row_sums, rows_of
from sim.logits import capped, normed, rotated
from sim.operators import linear

# Tokens, and numbers of differences over all heads, up to which their sum, which loses no digit, took less than matrix
# products: measured on a CPU.
_FEW_TOKENS, _FEW_DIFFERENCES = 32, 2**14


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
    query_gain: Float[Array, "head rank"] | None
    key_gain: Float[Array, "head rank"] | None
    query_key_epsilon: Float[Array, ""]
    angles: Float[Array, "n pair"] | None
    softcap: Float[Array, ""] | None
    logit_bias: Float[Array, "_head n n"] | None
    heads: int = eqx.field(static=True)

    def matched(self) -> bool:
        """Whether tokens attend by their own angle, Q = K = I, and by what places add to it."""
        operators = (self.query, self.key, self.query_bias, self.key_bias)
        others = (self.query_gain, self.key_gain, self.angles, self.softcap)
        return all(part is None for part in (*operators, *others))

    def numerators(self, x: Float[Array, "n d"], masses: Float[Array, " n"]) -> Weigh:
        """The function from tokens' numbers to the numerators of their weights, from matrix products.

        Where Q and K are the identity, logits are products of the tokens as seen from an origin.
        """
        queries, keys = self._queries_and_keys(x)
        own_is_largest = self.matched() and self.logit_bias is None

        def logits(
            rows: TileRows, y: Float[Array, "n d"]
        ) -> tuple[Float[Array, "_head rows n"], Float[Array, "_head rows"]]:
            if self.matched():
                half = row_sums(y**2) / 2
                own_half = rows_of(half, rows)[:, None]
                others = (self.beta * (product(rows_of(y, rows), y.T) - own_half - half[None]))[None]
                own = jnp.zeros((1, len(rows)), x.dtype)
            else:
                others = self._scaled(product(rows_of(queries, rows, axis=1), jnp.swapaxes(keys, -1, -2)))
                own = _at(others, rows)
            if self.logit_bias is None:
                return others, own
            bias = self._bias(rows)
            return others + bias, own + _at(bias, rows)

        def weigh(rows: TileRows, y: Float[Array, "n d"]) -> Numerators:
            other, own = logits(rows, y)
            columns, numbers = jnp.arange(len(x))[None], rows[:, None]
            seen = columns < numbers if self.causal else columns != numbers
            other = jnp.where(seen[None], other, -jnp.inf)
            if self.kind == "SA" and not own_is_largest:
                top = jnp.maximum(own, jnp.max(other, axis=-1))
                other, own = other - top[..., None], own - top
            if self.kind == "USA" and self.clock == "survey":
                other, own = other + self.beta, own + self.beta
            return Numerators(
                jnp.broadcast_to(masses[None, None] * jnp.exp(other), (self.heads, *other.shape[1:])),
                jnp.broadcast_to(rows_of(masses, rows)[None] * jnp.exp(own), (self.heads, len(rows))),
            )

        return weigh

    def rows(
        self, x: Float[Array, "n d"], masses: Float[Array, " n"]
    ) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number to its weights."""
        n = len(x)
        of_token = self._logits(x)

        def row(i: Int[Array, ""]) -> Float[Array, "head n"]:
            seen = jnp.arange(n) <= (i if self.causal else n)
            logits = jnp.where(seen[None], of_token(i), -jnp.inf)
            if self.kind == "SA":
                weights = masses[None] * jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
                return weights / jnp.sum(weights, axis=-1, keepdims=True)
            return masses[None] * jnp.exp(logits + self.beta if self.clock == "survey" else logits)

        return row

    def _logits(self, x: Float[Array, "n d"]) -> Callable[[Int[Array, ""]], Float[Array, "head n"]]:
        """The function from a token's number to its logits, less beta."""
        queries, keys = self._queries_and_keys(x)

        def of_token(i: Int[Array, ""]) -> Float[Array, "head n"]:
            if self.matched():
                logits = -self.beta * jnp.sum((x - x[i][None]) ** 2, axis=-1)[None] / 2
            else:
                logits = self._scaled(product(keys, queries[:, i, :, None])[..., 0])
            if self.logit_bias is not None:
                logits = logits + self._bias(i)
            return jnp.broadcast_to(logits, (self.heads, len(x)))

        return of_token

    def _queries_and_keys(
        self, x: Float[Array, "n d"]
    ) -> tuple[Float[Array, "_head n rank"], Float[Array, "_head n rank"]]:
        queries = normed(linear(self.query, x, self.query_bias), self.query_gain, self.query_key_epsilon)
        keys = normed(linear(self.key, x, self.key_bias), self.key_gain, self.query_key_epsilon)
        return rotated(queries, self.angles), rotated(keys, self.angles)

    def _scaled(self, products: Float[Array, "..."]) -> Float[Array, "..."]:
        """Logits of the products of queries and keys, less beta."""
        return capped(self.beta * products, self.softcap) - self.beta

    def _bias(self, rows: TileRows | Int[Array, ""]) -> Float[Array, "_head *rows n"]:
        assert self.logit_bias is not None
        return jnp.take(self.logit_bias, rows, axis=-2)


def _at(values: Float[Array, "_head rows n"], rows: TileRows) -> Float[Array, "_head rows"]:
    """The entry of each row that is the row's own token."""
    return jnp.take_along_axis(values, rows[None, :, None], axis=-1)[..., 0]


@eqx.filter_custom_jvp
def weighted_pulls(
    weights: Weights, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """sum_hj A^h_ij (x_j - x_i), and sum_j A^h_ij: of few tokens from differences, of many from products."""
    n, d = x.shape
    if n <= _FEW_TOKENS and weights.heads * n**2 * d <= _FEW_DIFFERENCES:
        return _pulls_by_differences(weights, x, masses)
    steepness = weights.beta if weights.matched() else jnp.zeros_like(weights.beta)
    return pulls(weights.numerators(x, masses), x, weights.heads, weights.kind == "SA", steepness)


@weighted_pulls.def_jvp
def _pulls_tangent(primals: Any, tangents: Any) -> tuple[Any, Any]:
    _, along = eqx.filter_jvp(_pulls_by_differences, primals, tangents)
    return weighted_pulls(*primals), along


def _pulls_by_differences(
    weights: Weights, x: Float[Array, "n d"], masses: Float[Array, " n"]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """What `weighted_pulls` is, from differences: slow for many tokens, and with all digits of the derivatives too."""
    row = weights.rows(x, masses)

    def of_token(i: Int[Array, ""]) -> tuple[Float[Array, " d"], Float[Array, " head"]]:
        shares = row(i)
        pull = jnp.sum(jnp.sum(shares, axis=0)[:, None] * (x - x[i][None]), axis=0)
        return pull, jnp.sum(shares, axis=-1)

    return by_tiles(of_token, len(x), max(x.shape[1], weights.heads))
