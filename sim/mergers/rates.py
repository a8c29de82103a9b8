"""Sums over all pairs of weighted clusters: velocities and rates, a tile of rows at a time.

The clusters c_k with masses m_k are an invariant subsystem of self-attention (2410.06833, Section 5; 2312.10794):

    dc_i/dt = P_i sum_j w_ij c_j,    w_ij = m_j e^(-beta |c_i - c_j|^2 / 2) / z_i,

with z_i the sum of the numerators over all j (SA) or 1 (USA). Slots of mass 0 are empty: they add exactly nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_UNROLLED = 8
_SMALLEST, _ENTRIES = 8, 2**14


class Rules(NamedTuple):
    """What all groups share: inverse temperature, SA or USA, tolerance of a step, chord at which a pair is merged."""

    beta: Float[Array, ""]
    usa: Bool[Array, ""]
    tolerance: Float[Array, ""]
    chord: Float[Array, ""]


class PairRates(NamedTuple):
    """What a look at all pairs tells: velocity per unit of s, log of R and of the largest row of it, and for each
    point its least squared chord and the point that pulls it most; `spread` is the squared chord in the mean of w.
    """

    velocity: Float[Array, "b d"]
    log_rate: Float[Array, ""]
    log_fastest: Float[Array, ""]
    nearest: Float[Array, " b"]
    strongest: Int[Array, " b"]
    spread: Float[Array, ""]


def pair_rates(x: Float[Array, "b d"], mass: Float[Array, " b"], rules: Rules) -> PairRates:
    """Velocities, rates and nearest neighbours of a state."""

    def look(squares: Array, logs: Array):
        peak = jnp.max(logs, axis=1)
        weights = jnp.exp(logs - jnp.where(jnp.isfinite(peak), peak, 0.0)[:, None])
        nearest = jnp.min(jnp.where(jnp.isfinite(logs), squares, jnp.inf), axis=1)
        spread = jnp.sum(weights * squares, axis=1)
        return _pulled(weights, x), peak, nearest, spread, jnp.argmax(logs, axis=1)

    pulled, peak, nearest, spread, strongest = _by_rows(look, x, mass, rules.beta, _by_differences)
    peak = jnp.where(mass > 0, peak, -jnp.inf)
    top = jnp.maximum(jnp.max(peak), jnp.finfo(x.dtype).min)
    velocity, row = _projected(pulled, x, mass, peak, top, rules.usa)
    total = jnp.sum(row)
    unit = jnp.where(total > 0, total, 1.0)
    mean = jnp.sum(spread / jnp.maximum(pulled[:, -1], 1e-300) * row)
    return PairRates(
        velocity / unit,
        top + jnp.log(total),
        top + jnp.log(jnp.max(row)),
        jnp.where(mass > 0, nearest, jnp.inf),
        strongest,
        mean / unit,
    )


def pulls(
    x: Float[Array, "b d"], mass: Float[Array, " b"], shift: Float[Array, ""], rules: Rules
) -> tuple[Float[Array, "b d"], Float[Array, " b"]]:
    """Velocities P_i sum_j w_ij x_j and row sums of w, both in units of e^shift."""
    chords = _by_differences if x.shape[1] <= _UNROLLED else _by_products
    pulled = _by_rows(lambda _, logs: _pulled(jnp.exp(logs - shift), x), x, mass, rules.beta, chords)
    return _projected(pulled, x, mass, shift, shift, rules.usa)


def _by_differences(own: Float[Array, "rows d"], x: Float[Array, "b d"]) -> Float[Array, "rows b"]:
    """|x_i - x_j|^2 of chords of any size: products would lose those below 2e-8, long before the merge chord."""

    def add(total: Array, column: tuple[Array, Array]) -> tuple[Array, None]:
        return total + (column[0][:, None] - column[1][None, :]) ** 2, None

    zeros = jnp.zeros((len(own), len(x)))
    return jax.lax.scan(add, zeros, (own.T, x.T), unroll=min(x.shape[1], _UNROLLED))[0]


def _by_products(own: Float[Array, "rows d"], x: Float[Array, "b d"]) -> Float[Array, "rows b"]:
    """The same to 1e-15: enough for an exponent, to beta 1e-15, and in many dimensions much faster."""
    return jnp.sum(own**2, axis=1)[:, None] + jnp.sum(x**2, axis=1)[None, :] - 2 * own @ x.T


def _by_rows(
    look: Callable[..., Any],
    x: Float[Array, "b d"],
    mass: Float[Array, " b"],
    beta: Float[Array, ""],
    chords: Callable[..., Float[Array, "rows b"]],
) -> Any:
    """`look` at a tile of rows at a time, up to the last slot that is not empty; zeros beyond.

    It takes |x_i - x_j|^2 and log(m_j q_ij), (rows, b), the latter -inf for a point itself and for empty slots.
    """
    b = len(mass)
    rows = b if b <= _SMALLEST else min(b // 4, _ENTRIES // b)
    log_mass, slots = jnp.log(mass), jnp.arange(b)

    def look_from(first: Int[Array, ""]) -> Any:
        own = jax.lax.dynamic_slice_in_dim(x, first, rows)
        squares = chords(own, x)
        itself = (first + jnp.arange(rows))[:, None] == slots[None, :]
        empty = (jax.lax.dynamic_slice_in_dim(mass, first, rows) == 0)[:, None]
        return look(squares, jnp.where(itself | empty, -jnp.inf, log_mass[None, :] - beta * squares / 2))

    if rows == b:
        return look_from(jnp.zeros((), int))

    def fill(number: Int[Array, ""], found: Any) -> Any:
        part = look_from(number * rows)
        return jax.tree.map(
            lambda whole, new: jax.lax.dynamic_update_slice_in_dim(whole, new, number * rows, 0), found, part
        )

    shapes = jax.eval_shape(look_from, jnp.zeros((), int))
    empty = jax.tree.map(lambda part: jnp.zeros((b, *part.shape[1:]), part.dtype), shapes)
    used = jnp.max(jnp.where(mass > 0, slots + 1, 0))
    return jax.lax.fori_loop(0, (used + rows - 1) // rows, fill, empty)


def _pulled(weights: Float[Array, "rows b"], x: Float[Array, "b d"]) -> Float[Array, "rows columns"]:
    """sum_j w_ij x_j, and in the last column the sums of w."""
    with_one = jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1)
    if len(x) <= _SMALLEST:
        # A call of the matrix product takes longer than this.
        return jnp.sum(weights[:, :, None] * with_one[None], axis=1)
    return weights @ with_one


def _projected(pulled: Float[Array, "b columns"], x, mass, log_unit, shift, usa: Bool[Array, ""]):
    """Velocities and row sums in units of e^shift, from sums in units of e^log_unit.

    The projection of the sum WITHOUT the self weight: its rounding is relative to the row's own weight, so the
    pull keeps its digits where it is smaller than 1e-16 of the self weight.
    """
    sums, row = pulled[:, :-1], pulled[:, -1]
    z = jnp.where(usa | (mass == 0), 1.0, mass + jnp.exp(log_unit) * row)
    scale = jnp.exp(log_unit - shift) / z
    tangent = sums - jnp.sum(sums * x, axis=1)[:, None] * x
    return scale[:, None] * tangent, scale * row
