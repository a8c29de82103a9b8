"""What the steppers share: Dormand-Prince of order 8, the control of its steps, and bisection within a step.

The method and its two error estimates are those of DOP853 (Hairer, Norsett, Wanner, *Solving Ordinary Differential
Equations I*, II.5), with the coefficients that SciPy carries.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.integrate import DOP853

STAGES = DOP853.n_stages
# The rows of the stages, and the weights of the step itself as the last one: its slope is the first of the next step.
_TABLE = np.pad(np.concatenate([DOP853.A, DOP853.B[None]]), ((0, 0), (0, 1)))
_SUMS = np.stack([_TABLE[-1], DOP853.E5, DOP853.E3])
NODES = np.append(DOP853.C, 1.0)
_SAFETY, _SHRINK = 0.9, 0.2
# Coordinates from which on, on a CPU, to read the slopes that a stage does not use, over 60 %, costs more than a sum of
# its own for each stage, which takes longer to compile. An accelerator would have to ask the host which sum it is.
_LONG = 1024


def slopes(
    slope_at: Callable[[Int[Array, ""], Float[Array, " coordinate"]], Float[Array, " coordinate"]],
    start: Float[Array, " coordinate"],
    first: Float[Array, " coordinate"],
    step: Float[Array, ""],
    stages: int | Int[Array, ""],
) -> Float[Array, "stage coordinate"]:
    """The slopes of the first stages, of 13, the first of them given; zeros in the other rows.

    `slope_at` takes the number of the stage, whose time is start + NODES[number] step, and the state there.
    """

    table = jnp.asarray(_TABLE, first.dtype)
    sums_of_used = [partial(_sum_of_used, row) for row in _TABLE[1:]]

    def stage(number: Int[Array, ""], found: Array) -> Array:
        short = first.size < _LONG or jax.default_backend() != "cpu"
        change = table[number] @ found if short else jax.lax.switch(number - 1, sums_of_used, found)
        moved = start + step * change
        return found.at[number].set(slope_at(number, moved))

    found = jnp.zeros((STAGES + 1, first.size), first.dtype).at[0].set(first)
    return jax.lax.fori_loop(1, stages, stage, found)


def _sum_of_used(row: np.ndarray, found: Float[Array, "stage coordinate"]) -> Float[Array, " coordinate"]:
    """The product of a row of the table with the slopes, without those that it multiplies by 0."""
    return sum((float(row[stage]) * found[stage] for stage in np.flatnonzero(row)), jnp.zeros_like(found[0]))


def sums(found: Float[Array, "stage coordinate"]) -> Float[Array, "3 coordinate"]:
    """The change over a step of unit length, and its errors as seen by methods of order 5 and 3."""
    return jnp.asarray(_SUMS, found.dtype) @ found


def both_errors(fifth: Float[Array, "..."], third: Float[Array, "..."]) -> Float[Array, "..."]:
    """The estimate of order 8 from the squares of both errors."""
    return fifth / jnp.sqrt(jnp.maximum(fifth + 0.01 * third, jnp.finfo(fifth.dtype).tiny))


def factor(error: Float[Array, ""], most: Float[Array, ""]) -> Float[Array, ""]:
    """What the step is multiplied by after an error, relative to what is allowed."""
    return jnp.clip(_SAFETY * jnp.maximum(error, 1e-30) ** (-1 / 8), _SHRINK, most)


def bisected(
    passed: Callable[[Float[Array, "..."]], Bool[Array, "..."]], like: Float[Array, "..."], halvings: int
) -> Float[Array, "..."]:
    """The share of a step, in [0, 1], from which on something has passed."""

    def halve(_: Int[Array, ""], ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        late = passed(middle)
        return jnp.where(late, low, middle), jnp.where(late, middle, high)

    return jax.lax.fori_loop(0, halvings, halve, (jnp.zeros_like(like), jnp.ones_like(like)))[1]
