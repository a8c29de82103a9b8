"""Sums over all pairs of tokens at the speed of matrix products, with the digits that such products lose put back.

What attention does to token i at x_i comes from sum_j w_ij (x_j - x_i). As a difference of products, W x - s x with
s the row sums of W, it is fast, but loses all digits where near tokens, of weight 1, outweigh a far pull of relative
size e^(-beta (1 - cos)). Differences do not change with the origin, so the products are taken of y = x - c, which is
exact near c: tokens near c then weigh as little as they should. The first pass has one origin for all tokens, their
mean. It bounds what rounding can have done to each row, and rows that may have lost digits are taken again around
one of them, with its nearest, until none is left: in the worst case, each row around itself, which is a sum of
differences. Clusters take about as many visits as they have tiles of rows. Few tokens take the sums of differences at
once (`sim.weights`).
"""

from collections.abc import Callable
from math import isqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# Numbers in a tile on a CPU: 8 MB of differences stay in its cache; of weights 32 MB, as a matrix product of fewer rows
# than 256 spends its time on fetching the tokens. An accelerator wants few large launches.
_DIFFERENCES, _WEIGHTS = 2**20, 2**22
_ENTRIES_OF_ACCELERATOR = 2**25
_MOST_ROWS = 256


class Numerators(NamedTuple):
    """Weights before softmax divides them: of all tokens but a row's own, zero there, and of its own."""

    others: Float[Array, "head rows n"]
    own: Float[Array, "head rows"]


class Pulls(NamedTuple):
    """sum_j w_ij (x_j - x_i) over heads and tokens, and the sums of the weights.

    Whether the origin is far: whether around another one the former could be rounded much less. And whether
    that matters: whether it is lost among its rounding.
    """

    pull: Float[Array, "rows d"]
    total: Float[Array, "rows head"]
    far: Bool[Array, " rows"]
    lost: Bool[Array, " rows"]


# The numbers of a tile's tokens: in NumPy where they are all tokens in their order, which is known before compiling.
TileRows = Int[Array, " rows"] | Int[np.ndarray, " rows"]
# Of these, and all tokens as seen from an origin.
Weigh = Callable[[TileRows, Float[Array, "n d"]], Numerators]


def by_tiles(function: Callable[[Int[Array, ""]], Any], n: int, width: int) -> Any:
    """`function` of every token's number, a tile of tokens at a time, when one of them needs n * width numbers."""
    rows = 1 + _entries(_DIFFERENCES) // (n * width)
    if rows >= n:
        return jax.vmap(function)(jnp.arange(n))
    return jax.lax.map(function, jnp.arange(n), batch_size=rows)


def by_rows(function: Callable[[TileRows], Any], n: int, heads: int) -> Any:
    """`function` of the numbers of a tile of tokens, for all tokens in turn, when one token needs n * heads numbers.

    Its results have the rows in front.
    """
    tiles = -(-n // _rows_that_fit(n, heads))
    rows = -(-n // tiles)
    if tiles == 1:
        return function(np.arange(n))
    numbers = jnp.minimum(jnp.arange(tiles * rows), n - 1).reshape(tiles, rows)
    found = jax.lax.map(function, numbers)
    return jax.tree.map(lambda part: part.reshape(tiles * rows, *part.shape[2:])[:n], found)


def product(a: Float[Array, "... i j"], b: Float[Array, "... j k"]) -> Float[Array, "... i k"]:
    """The matrix product in full precision, also on accelerators that would round float32 to less."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def rows_of(values: Float[Array, "..."], rows: TileRows, axis: int = 0) -> Float[Array, "..."]:
    """The entries of a tile along an axis; the array itself, not a copy, where they are all."""
    if isinstance(rows, np.ndarray):
        assert len(rows) == values.shape[axis]
        return values
    return jnp.take(values, rows, axis=axis)


def row_sums(values: Float[Array, "*rows columns"]) -> Float[Array, "*rows"]:
    """The sums over the last axis, as a product with ones: for short rows faster than a sum on a CPU."""
    return product(values, jnp.ones((values.shape[-1], 1), values.dtype))[..., 0]


def pulls(
    weigh: Weigh, x: Float[Array, "n d"], heads: int, softmax: bool, steepness: Float[Array, ""]
) -> tuple[Float[Array, "n d"], Float[Array, "n head"]]:
    """sum_j w_ij (x_j - x_i), over heads too, and the sums of the weights; to eps^(2/3) of each row's tangent at worst.

    Arguments: x, (n, d); weigh, the weights' numerators; softmax, whether they are divided by their sum;
    steepness, beta where logits are products of the shifted tokens, whose rounding it amplifies, else 0.
    Cost: a pass over all pairs of tokens, O(n^2 d); another one, about, where clusters are tight and far apart; up to
    2 sqrt(n) more where every token needs an origin of its own, as loose tokens do whose logits are large: beta > 1e5.
    """
    n = len(x)

    def around(origin: Float[Array, " d"], rows: TileRows) -> Pulls:
        return _pulls_around(origin, rows, weigh, x, softmax, steepness)

    first = by_rows(lambda rows: around(jnp.mean(x, axis=0), rows), n, heads)
    # Between a few large clusters and many small ones.
    visited = min(n, 2 * isqrt(n), _rows_that_fit(n, heads))

    def visit(found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        pull, total, lost = found
        origin = x[jnp.argmax(lost)]
        squares = row_sums((x - origin[None]) ** 2)
        rows = jax.lax.top_k(jnp.where(lost, -squares, -jnp.inf), visited)[1].astype(int)
        again = around(origin, rows)
        # No other origin does better for a token that sits on it.
        done = lost[rows] & (~again.far | (squares[rows] == 0))
        place = jnp.where(done, rows, n)
        return (
            pull.at[place].set(again.pull, mode="drop"),
            total.at[place].set(again.total, mode="drop"),
            lost.at[place].set(False, mode="drop"),
        )

    def left(found: tuple[Array, Array, Array]) -> Bool[Array, ""]:
        return jnp.any(found[2])

    pull, total, _ = jax.lax.while_loop(left, visit, (first.pull, first.total, first.lost))
    return pull, total


def _pulls_around(
    origin: Float[Array, " d"],
    rows: TileRows,
    weigh: Weigh,
    x: Float[Array, "n d"],
    softmax: bool,
    steepness: Float[Array, ""],
) -> Pulls:
    """The pulls on some rows from products of x - origin, and which of them may have lost digits."""
    y = x - origin[None]
    squares = row_sums(y**2)[:, None]
    moments = jnp.concatenate([jnp.ones_like(squares), jnp.sqrt(squares), squares, squares**2], axis=-1)
    weights = weigh(rows, y)
    sums = product(weights.others, jnp.concatenate([y, moments], axis=-1))
    total = sums[..., -4] + weights.own
    if softmax:
        sums, total = sums / total[..., None], jnp.ones_like(total)
    sums = jnp.sum(sums, axis=0)
    here, at, own, one = rows_of(x, rows), rows_of(y, rows), rows_of(squares, rows)[:, 0], sums[:, -4]
    pull = sums[:, :-4] - one[:, None] * at
    # From here on a unit of weight: squares of far weights underflow.
    unit = jnp.where(one > 0, one, 1)[:, None]
    mean, (_, lengths, seconds, fourths) = sums[:, :-4] / unit, jnp.moveaxis(sums[:, -4:] / unit, -1, 0)
    spread = jnp.maximum(own + seconds - 2 * row_sums(at * mean), 0)
    along = row_sums(here * pull) / row_sums(here**2)
    speed = jnp.sqrt(row_sums(((pull - along[:, None] * here) / unit) ** 2))
    # Products round by eps sum_j w_ij (|y_i| + |y_j|), logits by eps beta (|y_i|^2 + |y_j|^2) / 2.
    eps = jnp.finfo(x.dtype).eps
    of_products = eps * (jnp.sqrt(own) + lengths)
    of_logits = eps * steepness * jnp.sqrt((own**2 + fourths) / 2 * spread)
    # Where terms of this size cancel each other, differences of tokens would round by eps of it.
    far = (one > 0) & (of_products + of_logits > eps ** (5 / 6) * jnp.sqrt(spread))
    lost = far & ((of_products > eps ** (3 / 4) * speed) | (of_logits > eps ** (2 / 3) * speed))
    return Pulls(pull, total.T, far, lost)


def _rows_that_fit(n: int, heads: int) -> int:
    return min(_MOST_ROWS, 1 + _entries(_WEIGHTS) // (n * heads))


def _entries(on_a_cpu: int) -> int:
    return on_a_cpu if jax.default_backend() == "cpu" else _ENTRIES_OF_ACCELERATOR
