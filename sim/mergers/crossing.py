"""Pairs that come within the merge chord during a step: which one first, when, and what stands there afterwards."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_CANDIDATES = 64


class Ends(NamedTuple):
    """Both ends of a step: positions, what was seen there, masses; and the rates that its unit was made of."""

    x0: Float[Array, "b d"]
    x1: Float[Array, "b d"]
    start: Any
    end: Any
    mass: Float[Array, " b"]
    step: Float[Array, ""]
    log_rate0: Float[Array, ""]
    log_rate1: Float[Array, ""]

    def slopes(self) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        """dx/du at both ends, u the share of the step done: mergers change the rates, not the step's clock."""
        return (
            self.step * jnp.exp(self.start.log_rate - self.log_rate0) * self.start.velocity,
            self.step * jnp.exp(self.end.log_rate - self.log_rate1) * self.end.velocity,
        )


class Merged(NamedTuple):
    """The end of the step after its mergers, and the mergers in order: slots, moment in [0, 1], position."""

    x: Float[Array, "b d"]
    mass: Float[Array, " b"]
    end: Any
    number: Int[Array, ""]
    kept: Int[Array, " b"]
    gone: Int[Array, " b"]
    moment: Float[Array, " b"]
    position: Float[Array, "b d"]
    looks: Int[Array, ""]


def _hermite(u: Float[Array, "..."], value0, slope0, value1, slope1):
    """The cubic with these values and slopes at 0 and 1."""
    return (
        (1 + 2 * u) * (1 - u) ** 2 * value0
        + u * (1 - u) ** 2 * slope0
        + u**2 * (3 - 2 * u) * value1
        + u**2 * (u - 1) * slope1
    )


def _first_crossing(ends: Ends, chord: Float[Array, ""]):
    """Slots of the pair that crosses `chord` first, and when; the moment is inf where none is within it at the end.

    log of a chord is followed by its Hermite cubic: a pair on its own closes exponentially in s.
    """
    size = min(ends.mass.size, _CANDIDATES)
    _, near = jax.lax.top_k(-ends.end.nearest, size)
    near = jnp.sort(near.astype(int))

    def logs(x, slope):
        gap = x[near][:, None, :] - x[near][None, :, :]
        drift = slope[near][:, None, :] - slope[near][None, :, :]
        squares = jnp.maximum(jnp.sum(gap**2, axis=-1), 1e-300)
        return jnp.log(squares) / 2, jnp.sum(gap * drift, axis=-1) / squares

    drift0, drift1 = ends.slopes()
    value0, slope0 = logs(ends.x0, drift0)
    value1, slope1 = logs(ends.x1, drift1)
    level = jnp.log(chord)
    alive = ends.mass[near] > 0
    closed = alive[:, None] & alive[None, :] & (near[:, None] < near[None, :]) & (value1 < level)

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        above = _hermite(middle, value0, slope0, value1, slope1) > level
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = jax.lax.fori_loop(0, 45, halve, (jnp.zeros_like(value0), jnp.ones_like(value0)))
    moment = jnp.where(closed, jnp.where(value0 <= level, 0.0, (low + high) / 2), jnp.inf)
    i, j = jnp.unravel_index(jnp.argmin(moment), moment.shape)
    return near[i], near[j], jnp.min(moment)


def _glue(x: Float[Array, "b d"], mass: Float[Array, " b"], i: Int[Array, ""], j: Int[Array, ""]):
    """x with slot i at the mass centroid of i and j, on the sphere."""
    centroid = mass[i] * x[i] + mass[j] * x[j]
    return x.at[i].set(centroid / jnp.linalg.norm(centroid))


def merge_crossed(
    ends: Ends,
    chord: Float[Array, ""],
    accept: Bool[Array, ""],
    pair_rates: Callable[[Float[Array, "b d"], Float[Array, " b"]], Any],
) -> Merged:
    """Merge the pairs that are within `chord` at the end of the step, one at a time, earliest crossing first.

    A merged pair is replaced by its mass centroid at BOTH ends of the step, so that the next crossing is sought
    among true paths of centroids: merging all pairs of a step at once would let times depend on the step. The
    mergers have the moment and the position of the crossing, not of the end of the step.
    """
    b, d = ends.x0.shape
    slots = jnp.zeros(b, int)
    nothing = (ends, slots, slots, jnp.zeros(b), jnp.zeros((b, d)), jnp.asarray(0))

    def pending(state):
        (now, *_), found = state
        return accept & found & jnp.any((now.mass > 0) & (now.end.nearest < chord**2))

    def merge_one(state):
        carry, _ = state
        i, j, moment = _first_crossing(carry[0], chord)
        found = jnp.isfinite(moment)
        merged = glue_pair(carry, i, j, moment)
        return jax.tree.map(lambda new, old: jnp.where(found, new, old), merged, carry), found

    def glue_pair(carry, i, j, moment):
        now, kept, gone, moments, positions, count = carry
        last = jnp.where(count > 0, moments[jnp.maximum(count - 1, 0)], 0.0)
        moment = jnp.clip(moment, last, 1.0)
        x0, x1 = _glue(now.x0, now.mass, i, j), _glue(now.x1, now.mass, i, j)
        mass = now.mass.at[i].add(now.mass[j]).at[j].set(0.0)
        glued = now._replace(x0=x0, x1=x1, start=pair_rates(x0, mass), end=pair_rates(x1, mass), mass=mass)
        slope0, slope1 = glued.slopes()
        place = _hermite(moment, x0[i], slope0[i], x1[i], slope1[i])
        return (
            glued,
            kept.at[count].set(i),
            gone.at[count].set(j),
            moments.at[count].set(moment),
            positions.at[count].set(place / jnp.linalg.norm(place)),
            count + 1,
        )

    carry, _ = jax.lax.while_loop(pending, merge_one, (nothing, jnp.asarray(True)))
    now, kept, gone, moments, positions, count = carry
    return Merged(now.x1, now.mass, now.end, count, kept, gone, moments, positions, 2 * count)
