"""Pairs that come within the merge chord during a step: which one first, when, and what stands there afterwards."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sim.mergers.rates import PairRates, Rules, pair_rates
from sim.stepping import bisected

_CANDIDATES = 64
_HALVINGS = 45


class Mergers(NamedTuple):
    """The mergers of a group so far, in the first `number` entries: slot `gone` went into slot `kept`."""

    number: Int[Array, ""]
    kept: Int[Array, " b"]
    gone: Int[Array, " b"]
    row: Int[Array, " b"]
    log_elapsed: Float[Array, " b"]
    position: Float[Array, "b d"]


class Ends(NamedTuple):
    """Both ends of a step, in front: positions and what was seen there; masses; the logs of the rates that were the
    unit of the step's clock; and the moment of its last merger, as a share of the step."""

    x: Float[Array, "2 b d"]
    rates: PairRates
    mass: Float[Array, " b"]
    log_units: Float[Array, "2"]
    moment: Float[Array, ""]


def _hermite(share: Float[Array, "..."], value: Float[Array, "2 ..."], slope: Float[Array, "2 ..."]):
    """The cubic with these values and slopes at 0 and 1."""
    return (
        (1 + 2 * share) * (1 - share) ** 2 * value[0]
        + share * (1 - share) ** 2 * slope[0]
        + share**2 * (3 - 2 * share) * value[1]
        + share**2 * (share - 1) * slope[1]
    )


def _slopes(ends: Ends, step: Float[Array, ""]) -> Float[Array, "2 b d"]:
    """dx/du at both ends, u the share of the step done: mergers change the rates, not the step's clock."""
    return (step * jnp.exp(ends.rates.log_rate - ends.log_units))[:, None, None] * ends.rates.velocity


def _first_crossing(ends: Ends, slopes: Float[Array, "2 b d"], chord: Float[Array, ""]):
    """Slots of the pair that crosses `chord` first, and when; one pair must be within it at the end.

    log of a chord is followed by its Hermite cubic: a pair on its own closes exponentially in s.
    """
    size = min(ends.mass.size, _CANDIDATES)
    near = jnp.sort(jax.lax.top_k(-ends.rates.nearest[1], size)[1])
    x, drift = ends.x[:, near], slopes[:, near]
    gaps = x[:, :, None] - x[:, None]
    squares = jnp.maximum(jnp.sum(gaps**2, axis=-1), 1e-300)
    value = jnp.log(squares) / 2
    slope = jnp.sum(gaps * (drift[:, :, None] - drift[:, None]), axis=-1) / squares
    level, order = jnp.log(chord), jnp.arange(size)
    living = ends.mass[near] > 0
    # Who is within the chord was decided by sums in another order: 1e-9 is far above their rounding.
    closed = living[:, None] & living[None] & (order[:, None] < order[None]) & (value[1] < level + 1e-9)
    crossed = bisected(lambda share: _hermite(share, value, slope) <= level, value[0], _HALVINGS)
    moments = jnp.where(closed, jnp.where(value[0] <= level, 0.0, crossed), jnp.inf)
    first = jnp.argmin(moments)
    return near[first // size].astype(int), near[first % size].astype(int), jnp.min(moments)


def merge_crossed(
    ends: Ends,
    mergers: Mergers,
    accept: Bool[Array, ""],
    step: Float[Array, ""],
    row: Int[Array, ""],
    log_time: Callable[[Float[Array, ""], Float[Array, "2"]], Float[Array, ""]],
    rules: Rules,
) -> tuple[Ends, Mergers]:
    """Look at the end of a step and merge the pairs within the merge chord there, one at a time, earliest first.

    A merged pair is replaced by its mass centroid at BOTH ends of the step, so that the next crossing is sought
    among true paths of centroids: merging all pairs of a step at once would let times depend on the step. The
    mergers have the moment and the position of the crossing, not of the end of the step.

    Arguments: ends, whatever was seen at the second one; `log_time` of a share of the step, from `log_units`. Both ends
    are looked at again after each merger.
    """
    slots = jnp.arange(ends.mass.size)

    def see(ends: Ends, first: Int[Array, ""]) -> Ends:
        def one(end: Int[Array, ""], rates: PairRates) -> PairRates:
            seen = pair_rates(ends.x[end], ends.mass, rules)
            return jax.tree.map(lambda both, new: both.at[end].set(new), rates, seen)

        rates = jax.lax.fori_loop(first, 2, one, ends.rates)
        return ends._replace(rates=rates, log_units=jnp.where(first == 1, rates.log_rate, ends.log_units))

    def settle(state):
        ends, mergers, first, _ = state
        ends = see(ends, first)
        slopes = _slopes(ends, step)
        last = mergers.number - 1
        here = jnp.sum(
            jnp.where((slots == mergers.kept[last])[:, None], _hermite(ends.moment, ends.x, slopes), 0), 0
        )
        noted = ((slots == last) & (first == 0))[:, None]
        mergers = mergers._replace(
            position=jnp.where(noted, (here / jnp.linalg.norm(here))[None], mergers.position)
        )
        within = (ends.mass > 0) & (ends.rates.nearest[1] < rules.chord**2)
        again = accept & jnp.any(within)
        ends, mergers = jax.lax.cond(again, lambda: merge_one(ends, slopes, mergers), lambda: (ends, mergers))
        return ends, mergers, jnp.zeros_like(first), again

    def merge_one(ends: Ends, slopes, mergers: Mergers) -> tuple[Ends, Mergers]:
        i, j, moment = _first_crossing(ends, slopes, rules.chord)
        moment = jnp.clip(moment, ends.moment, 1.0)
        into, out = slots == i, slots == j
        share = jnp.where(into | out, ends.mass, 0.0)
        centroid = jnp.sum(share[None, :, None] * ends.x, axis=1, keepdims=True)
        centroid = centroid / jnp.linalg.norm(centroid, axis=-1, keepdims=True)
        glued = ends._replace(
            x=jnp.where(into[None, :, None], centroid, ends.x),
            mass=jnp.where(into, jnp.sum(share), jnp.where(out, 0.0, ends.mass)),
            moment=moment,
        )
        at = slots == mergers.number
        return glued, mergers._replace(
            number=mergers.number + 1,
            kept=jnp.where(at, i, mergers.kept),
            gone=jnp.where(at, j, mergers.gone),
            row=jnp.where(at, row, mergers.row),
            log_elapsed=jnp.where(at, log_time(moment, ends.log_units), mergers.log_elapsed),
        )

    state = (ends, mergers, jnp.ones((), int), jnp.asarray(True))
    ends, mergers, *_ = jax.lax.while_loop(lambda state: state[-1], settle, state)
    return ends, mergers
