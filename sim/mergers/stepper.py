"""Weighted clusters in a rescaled time: one compiled loop that crosses plateaus of any length and merges in place.

The clusters c_k with masses m_k are an invariant subsystem of self-attention (2410.06833, Section 5; 2312.10794):

    dc_i/dt = P_i sum_j w_ij c_j,    w_ij = m_j e^(-beta |c_i - c_j|^2 / 2) / z_i,

with z_i the sum of the numerators over all j (SA) or 1 (USA). The rest of this file is ours. The loop steps in s,
dt = ds / R, with the rate R = sum over i != j of w_ij evaluated inside the step: the unit of s is the closing of the
fastest pair, so a plateau of length e^(beta v) costs as much as one of length 1. log t is the only clock kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from scipy.integrate import DOP853

from sim.mergers.crossing import Ends, merge_crossed

RUNNING, MERGED, SLOWED, LANDED, SADDLE, EXHAUSTED = range(6)
_UNROLLED = 8
_ROWS, _ENTRIES = 64, 2**11
_STAGES = DOP853.n_stages


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


class Course(NamedTuple):
    """Where a group stands: b slots of which those with positive mass live; `step` is NaN before the first one.

    Its mergers, `events` of them, are in the first entries of the five fields at the end.
    """

    x: Float[Array, "b d"]
    mass: Float[Array, " b"]
    log_begin: Float[Array, ""]
    log_elapsed: Float[Array, ""]
    step: Float[Array, ""]
    growth: Float[Array, ""]
    status: Int[Array, ""]
    attempts: Int[Array, ""]
    accepted: Int[Array, ""]
    evaluations: Int[Array, ""]
    events: Int[Array, ""]
    kept: Int[Array, " b"]
    gone: Int[Array, " b"]
    row: Int[Array, " b"]
    event_log: Float[Array, " b"]
    event_x: Float[Array, "b d"]


class Bounds(NamedTuple):
    """When a group ends: after so many mergers, below a log rate, at a log elapsed time, after so many attempts."""

    events: Int[Array, ""]
    floor: Float[Array, ""]
    limit: Float[Array, ""]
    attempts: Int[Array, ""]


class Rules(NamedTuple):
    """What all groups share: inverse temperature, SA or USA, tolerance of a step, chord at which a pair is merged."""

    beta: Float[Array, ""]
    usa: Bool[Array, ""]
    tolerance: Float[Array, ""]
    chord: Float[Array, ""]


def _squares(x: Float[Array, "b d"]) -> Float[Array, "b b"]:
    """|x_i - x_j|^2, from differences: 2 - 2 <x_i, x_j> would lose chords below 2e-8, long before the merge chord."""
    b, d = x.shape

    def add(total, column):
        return total + (column[:, None] - column[None, :]) ** 2, None

    return jax.lax.scan(add, jnp.zeros((b, b)), x.T, unroll=min(d, _UNROLLED))[0]


def _log_weights(squares: Float[Array, "b b"], mass: Float[Array, " b"], beta: Float[Array, ""]):
    """log(m_j q_ij) between different living slots; -inf elsewhere."""
    pairs = (mass > 0)[:, None] & ~jnp.eye(mass.size, dtype=bool)
    return jnp.where(pairs, jnp.log(mass)[None, :] - beta * squares / 2, -jnp.inf)


def _pull(weights: Float[Array, "b b"], x, mass, shift, usa: Bool[Array, ""]):
    """Velocity P_i sum_j w_ij x_j and row sums of w, both in units of e^shift.

    The projection of the sum WITHOUT the self weight: its rounding is relative to the row's own weight, so the
    pull keeps its digits where it is smaller than 1e-16 of the self weight.
    """
    if mass.size > 32:
        pulled, row = weights @ x, jnp.sum(weights, axis=1)
    else:
        pulled = jnp.stack([jnp.sum(weights * x[None, :, k], axis=1) for k in range(x.shape[1])], axis=1)
        row = jnp.sum(weights, axis=1)
    z = jnp.where(usa | (mass == 0), 1.0, mass + jnp.exp(shift) * row)
    velocity = pulled - jnp.sum(pulled * x, axis=1)[:, None] * x
    return velocity / z[:, None], row / z


def pair_rates(x: Float[Array, "b d"], mass: Float[Array, " b"], rules: Rules) -> PairRates:
    """Velocities, rates and nearest neighbours of a state."""
    squares = _squares(x)
    logs = _log_weights(squares, mass, rules.beta)
    top = jnp.max(logs)
    shift = jnp.where(jnp.isfinite(top), top, 0.0)
    weights = jnp.exp(logs - shift)
    velocity, row = _pull(weights, x, mass, shift, rules.usa)
    total = jnp.sum(row)
    others = jnp.where(jnp.isfinite(logs), squares, jnp.inf)
    nearest = jnp.min(others, axis=1)
    spread = jnp.sum(jnp.sum(weights * squares, axis=1) / jnp.maximum(jnp.sum(weights, axis=1), 1e-300) * row)
    return PairRates(
        velocity / jnp.where(total > 0, total, 1.0),
        shift + jnp.log(total),
        shift + jnp.log(jnp.max(row)),
        nearest,
        jnp.argmax(logs, axis=1),
        spread / jnp.where(total > 0, total, 1.0),
    )


def _stages(course: Course, start: PairRates, rules: Rules):
    """The slopes of the positions and of the clock at the twelve stages of DOP853, per unit of s.

    Weights are scaled by that of the pairs that were strongest at the start: O(b), not a pass over all pairs.
    """
    b, d = course.x.shape
    log_mass = jnp.log(course.mass)[start.strongest]
    table = jnp.asarray(DOP853.A)
    slopes = jnp.zeros((_STAGES, b * d + 1))
    slopes = slopes.at[0].set(jnp.append(start.velocity.ravel(), 1.0))

    def stage(i, slopes):
        moved = course.x + course.step * (table[i] @ slopes)[:-1].reshape(b, d)
        loud = log_mass - rules.beta * jnp.sum((moved - moved[start.strongest]) ** 2, axis=1) / 2
        shift = jnp.max(jnp.where(course.mass > 0, loud, -jnp.inf))
        logs = _log_weights(_squares(moved), course.mass, rules.beta)
        velocity, row = _pull(jnp.exp(logs - shift), moved, course.mass, shift, rules.usa)
        total = jnp.sum(row)
        slope = jnp.append((velocity / total).ravel(), jnp.exp(start.log_rate - shift) / total)
        return slopes.at[i].set(slope)

    return jax.lax.fori_loop(1, _STAGES, stage, slopes)


def _error(course: Course, start: PairRates, slopes, tau, rules: Rules):
    """Largest error of a point relative to what it may have, or of the clock.

    A point may be off by a share of its distance to the nearest other one: tolerance (1 + t R), which is the
    accuracy of the log time, at most 1e-2, so that no pair hovers; and by the tolerance itself at most.
    """
    b, d = course.x.shape
    fifth = course.step * (jnp.asarray(DOP853.E5[:-1]) @ slopes)
    third = course.step * (jnp.asarray(DOP853.E3[:-1]) @ slopes)
    log_t = jnp.logaddexp(course.log_begin, course.log_elapsed)
    share = jnp.minimum(
        rules.tolerance * (1 + jnp.exp(jnp.minimum(log_t + start.log_fastest, 40.0))), 1e-2
    )
    distance = jnp.sqrt(jnp.where(course.mass > 0, start.nearest, 1.0))
    allowed = jnp.maximum(jnp.minimum(distance * share, rules.tolerance), 3e-16)
    clock = rules.tolerance * (jnp.exp(jnp.minimum(log_t + start.log_rate, 700.0)) + tau)

    def sizes(error):
        points = jnp.linalg.norm(error[:-1].reshape(b, d), axis=1) / allowed
        return jnp.append(points, jnp.abs(error[-1]) / clock)

    high, low = sizes(fifth), sizes(third)
    ratio = jnp.max(high**2 / jnp.sqrt(jnp.maximum(high**2 + 0.01 * low**2, 1e-300)))
    return jnp.where(jnp.isfinite(ratio), ratio, 1e10)


def _share_of_step(target, tau, end_slope, step):
    """Where in the step the clock, a cubic through both ends, shows `target`: a share in (0, 1)."""
    slope = end_slope * step

    def clock(u):
        return u * (1 - u) ** 2 * step + u**2 * (3 - 2 * u) * tau + u**2 * (u - 1) * slope

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        early = clock(middle) < target
        return jnp.where(early, middle, low), jnp.where(early, high, middle)

    low, high = jax.lax.fori_loop(0, 50, halve, (jnp.asarray(0.0), jnp.asarray(1.0)))
    return (low + high) / 2


def _attempt(
    course: Course, start: PairRates, bounds: Bounds, rules: Rules
) -> tuple[Course, PairRates, Bool[Array, ""]]:
    """One step tried: accepted, with the mergers inside it, or repeated shorter."""
    b, d = course.x.shape
    slopes = _stages(course, start, rules)
    change = course.step * (jnp.asarray(DOP853.B) @ slopes)
    tau = change[-1]
    error = _error(course, start, slopes, tau, rules)
    factor = jnp.clip(0.9 * error ** (-1 / 8), 0.2, course.growth)

    x = course.x + change[:-1].reshape(b, d)
    x = x / jnp.where(course.mass > 0, jnp.linalg.norm(x, axis=1), 1.0)[:, None]
    end = pair_rates(x, course.mass, rules)
    log_tau = jnp.log(jnp.maximum(tau, 1e-300)) - start.log_rate
    end_slope = jnp.exp(start.log_rate - end.log_rate)

    left = bounds.limit + jnp.log1p(-jnp.exp(jnp.minimum(course.log_elapsed - bounds.limit, -1e-300)))
    target = jnp.exp(jnp.minimum(left + start.log_rate, 700.0))
    beyond = tau - target > 1e-9
    fine = (error <= 1) & (tau > 0) & jnp.isfinite(end.log_rate)
    accept = fine & ~beyond
    landed = accept & (target - tau < 1e-10)

    ends = Ends(course.x, x, start, end, course.mass, course.step, start.log_rate, end.log_rate)

    def look_again(x, mass):
        return pair_rates(x, mass, rules)

    def log_time(u):
        clock = (
            u * (1 - u) ** 2 * course.step + u**2 * (3 - 2 * u) * tau + u**2 * (u - 1) * end_slope * course.step
        )
        return jnp.logaddexp(course.log_elapsed, jnp.log(jnp.maximum(clock, 1e-300)) - start.log_rate)

    merged = merge_crossed(ends, rules.chord, accept, look_again)
    crossings = merged.number
    slot = jnp.arange(b) - course.events
    new = (slot >= 0) & (slot < crossings)
    pick = jnp.clip(slot, 0, b - 1)

    step = course.step * factor
    softer = 0.25 / (1 + rules.beta * merged.end.spread)
    kept_pace = step * jnp.exp(jnp.minimum(merged.end.log_rate - end.log_rate, 0.0))
    step = jnp.where(accept & (crossings > 0), jnp.minimum(step, jnp.maximum(kept_pace, softer)), step)
    step = jnp.where(fine & beyond, course.step * _share_of_step(target, tau, end_slope, course.step), step)

    events = course.events + jnp.where(accept, crossings, 0)
    living = jnp.sum(merged.mass > 0)
    status = jnp.select(
        [
            landed,
            accept & ((events >= bounds.events) | (living <= 1)),
            accept & _still(merged.end, merged.mass),
            accept & (events > 0) & (merged.end.log_fastest < bounds.floor),
            course.step < 1e-14,
        ],
        [jnp.full((), s) for s in (LANDED, MERGED, SADDLE, SLOWED, EXHAUSTED)],
        jnp.full((), RUNNING),
    )
    after = course._replace(
        x=merged.x,
        mass=merged.mass,
        log_elapsed=jnp.logaddexp(course.log_elapsed, log_tau),
        growth=jnp.full((), 6.0),
        accepted=course.accepted + 1,
        events=events,
        kept=jnp.where(new, merged.kept[pick], course.kept),
        gone=jnp.where(new, merged.gone[pick], course.gone),
        row=jnp.where(new, course.accepted, course.row),
        event_log=jnp.where(new, log_time(merged.moment[pick]), course.event_log),
        event_x=jnp.where(new[:, None], merged.position[pick], course.event_x),
    )
    before = course._replace(growth=jnp.full((), 1.0))
    chosen, rates = jax.tree.map(
        lambda yes, no: jnp.where(accept, yes, no), (after, merged.end), (before, start)
    )
    chosen = chosen._replace(
        step=step,
        status=status,
        attempts=course.attempts + 1,
        evaluations=course.evaluations + _STAGES + merged.looks,
    )
    return chosen, rates, accept


def _still(rates: PairRates, mass: Float[Array, " b"]) -> Bool[Array, ""]:
    """Whether nothing moves, to rounding: the pulls of all pairs cancel."""
    pulls = jnp.linalg.norm(rates.velocity, axis=1) / jnp.sqrt(jnp.maximum(rates.nearest, 1e-300))
    return jnp.max(jnp.where(mass > 0, pulls, 0.0)) < 1e-12


def _seen(course: Course, rules: Rules) -> tuple[Course, PairRates]:
    """A group as it is seen where it stands, its first step small against the fastest change of an exponent."""
    rates = pair_rates(course.x, course.mass, rules)
    first = 0.25 / (1 + rules.beta * rates.spread)
    return course._replace(
        step=jnp.where(jnp.isnan(course.step), first, course.step),
        status=jnp.where(_still(rates, course.mass), SADDLE, course.status),
        evaluations=course.evaluations + 1,
    ), rates


class Rows(NamedTuple):
    """The accepted states of the last steps, and their log elapsed times."""

    log_elapsed: Float[Array, " rows"]
    x: Float[Array, "rows b d"]


def rows_for(slots: int) -> int:
    """How many rows are kept of a group in so many slots before it is seen again."""
    return max(_ROWS, _ENTRIES // slots)


@jax.jit
def advance(course: Course, bounds: Bounds, rules: Rules) -> tuple[Course, Rows]:
    """Advance a group until it has ended or has filled its rows. Compiled once for each number of slots and of dimensions."""
    b, d = course.x.shape
    size, first = rows_for(b), course.accepted
    rows = Rows(jnp.zeros(size), jnp.zeros((size, b, d)))

    def going(carry) -> Bool[Array, ""]:
        course, *_ = carry
        within = (course.accepted - first < size) & (course.attempts < bounds.attempts)
        return (course.status == RUNNING) & within

    def move(carry):
        course, rates, rows = carry
        tried, seen, accept = _attempt(course, rates, bounds, rules)
        place = jnp.where(accept, course.accepted - first, size)
        rows = Rows(
            rows.log_elapsed.at[place].set(tried.log_elapsed, mode="drop"),
            rows.x.at[place].set(tried.x, mode="drop"),
        )
        return tried, seen, rows

    course, _, rows = jax.lax.while_loop(going, move, (*_seen(course, rules), rows))
    return course, rows
