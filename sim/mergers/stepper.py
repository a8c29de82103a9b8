"""Weighted clusters in a rescaled time: one compiled loop that crosses plateaus of any length and merges in place.

The loop steps in s, dt = ds / R, with the rate R = sum over i != j of w_ij evaluated inside the step
(`sim.mergers.rates`): the unit of s is the closing of the fastest pair, so a plateau of length e^(beta v) costs as
much as one of length 1. log t is the only clock kept. This is ours.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sim.mergers.crossing import Ends, Mergers, merge_crossed
from sim.mergers.rates import PairRates, Rules, pulls
from sim.stepping import STAGES, bisected, both_errors, factor, slopes, sums

RUNNING, MERGED, SLOWED, LANDED, SADDLE, EXHAUSTED = range(6)
GROWTH = 6.0
_ROWS, _ENTRIES = 64, 2**11
_HALVINGS = 50


class Course(NamedTuple):
    """Where a group stands: b slots, of which those with positive mass live; and what was seen there.

    `step` is NaN as long as nothing was seen.
    """

    x: Float[Array, "b d"]
    mass: Float[Array, " b"]
    rates: PairRates
    log_begin: Float[Array, ""]
    log_elapsed: Float[Array, ""]
    step: Float[Array, ""]
    growth: Float[Array, ""]
    status: Int[Array, ""]
    attempts: Int[Array, ""]
    accepted: Int[Array, ""]
    evaluations: Int[Array, ""]
    mergers: Mergers


class Bounds(NamedTuple):
    """When a group ends: after so many mergers, below a log rate, at a log elapsed time, after so many attempts."""

    mergers: Int[Array, ""]
    floor: Float[Array, ""]
    limit: Float[Array, ""]
    attempts: Int[Array, ""]


class Rows(NamedTuple):
    """The accepted states of the last steps, and their log elapsed times."""

    log_elapsed: Float[Array, " rows"]
    x: Float[Array, "rows b d"]


@jax.jit
def advance(course: Course, bounds: Bounds, rules: Rules) -> tuple[Course, Rows]:
    """Advance a group until it has ended or has filled its rows.

    Compiled once for each number of slots and of dimensions. More slots change rounding only.
    """
    b, d = course.x.shape
    size, first = max(_ROWS, _ENTRIES // b), course.accepted
    rows = Rows(jnp.zeros(size), jnp.zeros((size, b, d)))

    def going(carry) -> Bool[Array, ""]:
        course, _ = carry
        room = (course.accepted - first < size) & (course.attempts < bounds.attempts)
        return (course.status == RUNNING) & room

    def move(carry):
        course, rows = carry
        tried = _attempt(course, bounds, rules)
        place = jnp.where(tried.accepted > course.accepted, course.accepted - first, size)
        return tried, Rows(
            rows.log_elapsed.at[place].set(tried.log_elapsed, mode="drop"),
            rows.x.at[place].set(tried.x, mode="drop"),
        )

    return jax.lax.while_loop(going, move, (course, rows))


def _still(rates: PairRates, mass: Float[Array, " b"]) -> Bool[Array, ""]:
    """Whether nothing moves, to rounding: the pulls of all pairs cancel."""
    pulls = jnp.linalg.norm(rates.velocity, axis=1) / jnp.sqrt(jnp.maximum(rates.nearest, 1e-300))
    return jnp.max(jnp.where(mass > 0, pulls, 0.0)) < 1e-12


def _slopes(
    course: Course, step: Float[Array, ""], stages: Int[Array, ""], rules: Rules
) -> Float[Array, "stage coordinate"]:
    """The slopes of the positions and of the clock at the stages of a step, per unit of s.

    Weights are scaled by that of the pairs that were strongest at the start: O(b), not a pass over all pairs.
    """
    start, (b, d) = course.rates, course.x.shape
    log_mass = jnp.log(course.mass)[start.strongest]

    def slope_at(_: Int[Array, ""], state: Float[Array, " coordinate"]) -> Float[Array, " coordinate"]:
        moved = state[:-1].reshape(b, d)
        loud = log_mass - rules.beta * jnp.sum((moved - moved[start.strongest]) ** 2, axis=1) / 2
        shift = jnp.max(jnp.where(course.mass > 0, loud, -jnp.inf))
        velocity, row = pulls(moved, course.mass, shift, rules)
        total = jnp.sum(row)
        return jnp.append((velocity / total).ravel(), jnp.exp(start.log_rate - shift) / total)

    state = jnp.append(course.x.ravel(), 0.0)
    return slopes(slope_at, state, jnp.append(start.velocity.ravel(), 1.0), step, stages)


def _error(
    course: Course, errors: Float[Array, "2 coordinate"], tau: Float[Array, ""], rules: Rules
) -> Float[Array, ""]:
    """Largest error of a point relative to what it may have, or of the clock.

    A point may be off by a share of its distance to the nearest other one: tolerance (1 + t R), which is the
    accuracy of the log time, at most 1e-2, so that no pair hovers; and by the tolerance itself at most.
    """
    start, log_t = course.rates, jnp.logaddexp(course.log_begin, course.log_elapsed)
    share = rules.tolerance * (1 + jnp.exp(jnp.minimum(log_t + start.log_fastest, 40.0)))
    distance = jnp.sqrt(jnp.where(course.mass > 0, start.nearest, 1.0))
    allowed = jnp.maximum(jnp.minimum(distance * jnp.minimum(share, 1e-2), rules.tolerance), 3e-16)
    clock = rules.tolerance * (jnp.exp(jnp.minimum(log_t + start.log_rate, 700.0)) + tau)
    points = jnp.sum(errors[:, :-1].reshape(2, *course.x.shape) ** 2, axis=-1) / allowed[None] ** 2
    fifth, third = jnp.concatenate([points, (errors[:, -1:] / clock) ** 2], axis=1)
    ratio = jnp.max(both_errors(fifth, third))
    return jnp.where(jnp.isfinite(ratio), ratio, 1e10)


def _attempt(course: Course, bounds: Bounds, rules: Rules) -> Course:
    """One step tried: accepted, with the mergers inside it, or repeated shorter; before the first one, only a look."""
    start, unseen = course.rates, jnp.isnan(course.step)
    length, evaluations = jnp.where(unseen, 0.0, course.step), jnp.where(unseen, 1, STAGES)
    moves = length * sums(_slopes(course, length, evaluations, rules))
    change, tau = moves[0, :-1].reshape(course.x.shape), moves[0, -1]
    error = _error(course, moves[1:], tau, rules)
    left = bounds.limit + jnp.log1p(-jnp.exp(jnp.minimum(course.log_elapsed - bounds.limit, -1e-300)))
    target = jnp.exp(jnp.minimum(left + start.log_rate, 700.0))
    fine, beyond = (error <= 1) & (tau > 0), tau - target > 1e-9
    accept = fine & ~beyond
    x = course.x + change
    x = x / jnp.where(course.mass > 0, jnp.linalg.norm(x, axis=1), 1.0)[:, None]

    def clock(share: Float[Array, ""], log_units: Float[Array, "2"]) -> Float[Array, ""]:
        """The step's clock at a share of it: the cubic through both ends."""
        slope = jnp.exp(log_units[0] - log_units[1]) * length
        rest = 1 - share
        return share * (rest**2 * length + share * ((3 - 2 * share) * tau - rest * slope))

    def log_time(share: Float[Array, ""], log_units: Float[Array, "2"]) -> Float[Array, ""]:
        passed = jnp.log(jnp.maximum(clock(share, log_units), 1e-300)) - start.log_rate
        return jnp.logaddexp(course.log_elapsed, passed)

    ends, mergers = merge_crossed(
        Ends(
            jnp.stack([course.x, x]),
            jax.tree.map(lambda seen: jnp.stack([seen, seen]), start),
            course.mass,
            jnp.stack([start.log_rate, start.log_rate]),
            jnp.zeros(()),
        ),
        course.mergers,
        accept,
        length,
        course.accepted,
        log_time,
        rules,
    )
    end = jax.tree.map(lambda both: both[1], ends.rates)
    crossings = mergers.number - course.mergers.number
    careful = 0.25 / (1 + rules.beta * end.spread)
    step = length * factor(error, course.growth)
    kept_pace = step * jnp.exp(jnp.minimum(end.log_rate - ends.log_units[1], 0.0))
    step = jnp.where(crossings > 0, jnp.minimum(step, jnp.maximum(kept_pace, careful)), step)
    landing = length * bisected(lambda share: clock(share, ends.log_units) >= target, target, _HALVINGS)

    def moved() -> Course:
        return course._replace(
            x=ends.x[1],
            mass=ends.mass,
            rates=end,
            log_elapsed=log_time(jnp.ones(()), ends.log_units),
            step=step,
            growth=jnp.full((), GROWTH, float),
            status=_status(end, ends.mass, mergers, target - tau < 1e-10, bounds),
            accepted=course.accepted + 1,
            mergers=mergers,
        )

    def refused() -> Course:
        return course._replace(
            rates=jax.tree.map(lambda new, old: jnp.where(unseen, new, old), end, start),
            step=jnp.where(unseen, careful, jnp.where(fine & beyond, landing, step)),
            growth=jnp.where(unseen, GROWTH, jnp.ones(())),
            status=jnp.where(unseen & _still(end, course.mass), SADDLE, course.status),
        )

    tried = jax.lax.cond(accept, moved, refused)
    lost = (course.step < 1e-14) & (tried.status == RUNNING)
    return tried._replace(
        status=jnp.where(lost, EXHAUSTED, tried.status),
        attempts=course.attempts + 1,
        evaluations=course.evaluations + evaluations + 2 * crossings,
    )


def _status(
    end: PairRates, mass: Float[Array, " b"], mergers: Mergers, landed: Bool[Array, ""], bounds: Bounds
) -> Int[Array, ""]:
    """Of a group at the end of a step."""
    ends = [
        (landed, LANDED),
        ((mergers.number >= bounds.mergers) | (jnp.sum(mass > 0) <= 1), MERGED),
        (_still(end, mass), SADDLE),
        ((mergers.number > 0) & (end.log_fastest < bounds.floor), SLOWED),
    ]
    conditions, statuses = zip(*ends)
    return jnp.select(list(conditions), [jnp.full((), status, int) for status in statuses], RUNNING)
