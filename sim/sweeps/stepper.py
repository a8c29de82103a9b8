"""One cell of a sweep: Dormand-Prince of order 8 in a lean loop, which observes between its steps.

The dense output too is that of DOP853 (Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I*, II.6). A
step never ends at an asked time: what is asked for between two steps is read from the interpolant of order 7, which
costs three more evaluations in the steps that are read. For runs of a few dozen tokens this loop costs a third of a
general solver's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.integrate import DOP853

from sim.attention import Attention
from sim.stepping import NODES, STAGES, bisected, both_errors, factor, slopes, sums

COLLAPSED = 0.999
_SHRINK, _GROW = 0.2, 10.0
_HALVINGS = 52

Observations = Mapping[str, Array]
Observe = Callable[[Float[Array, "n d"], Float[Array, ""]], Observations]


@dataclass(frozen=True)
class ShapeClass:
    """What cells share that are solved by one compiled program, beside the shape of their points.

    observe: functions whose observations at the asked times are kept. collapse: whether the time of collapse is.
    """

    kind: str
    causal: bool
    norm: str
    clock: str
    observe: tuple[Observe, ...]
    collapse: bool
    max_steps: int
    dtype: np.dtype


class Problem(NamedTuple):
    """The numbers of one cell. tau and alpha are read by the norms that have them."""

    beta: Float[Array, ""]
    start: Float[Array, "n d"]
    times: Float[Array, " time"]
    rtol: Float[Array, ""]
    atol: Float[Array, ""]
    tau: Float[Array, ""]
    alpha: Float[Array, ""]


class Course(NamedTuple):
    """Where a run stands: its state and slope at t, the step to try next, and what has been observed so far.

    `seen` counts the asked times that lie behind; `collapse` is NaN until the mean cosine has reached 0.999.
    """

    t: Float[Array, ""]
    x: Float[Array, "n d"]
    slope: Float[Array, "n d"]
    step: Float[Array, ""]
    growth: Float[Array, ""]
    seen: Int[Array, ""]
    observed: dict[str, Array]
    collapse: Float[Array, ""]
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]
    evaluations: Int[Array, ""]


class Step(NamedTuple):
    """A step that was tried, as the interpolant needs it; `length` is 0 where it was refused."""

    t: Float[Array, ""]
    x: Float[Array, "n d"]
    length: Float[Array, ""]
    stages: Float[Array, "stage coordinate"]
    end: Float[Array, "n d"]


def field_of(shape: ShapeClass, problem: Problem) -> Attention:
    """The vector field of a cell."""
    return Attention(
        problem.beta,
        shape.kind,
        shape.causal,
        clock=shape.clock,
        norm=shape.norm,
        tau=problem.tau if shape.norm == "mix" else None,
        alpha=problem.alpha if shape.norm == "ngpt" else None,
        dtype=shape.dtype,
    )


def mean_cosine(x: Float[Array, "n d"]) -> Float[Array, ""]:
    """Mean of <x_i, x_j> over i != j, of unit rows."""
    n = len(x)
    return (jnp.sum(jnp.sum(x, axis=0) ** 2) - n) / (n * (n - 1))


def begin(shape: ShapeClass, problem: Problem) -> Course:
    """The run at its start, its first step chosen as in II.4 of the book."""
    x, t = problem.start, problem.times[0]
    field, masses = field_of(shape, problem), _masses(problem)
    scale = problem.atol + problem.rtol * jnp.abs(x)

    def size(vector: Float[Array, "n d"]) -> Float[Array, ""]:
        return jnp.sqrt(jnp.mean((vector / scale) ** 2))

    def look(number: Int[Array, ""], looked: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        """The slope at the start, then the one a trial step away from it, and the trial step."""
        _, slope, trial = looked
        found = field(t + number * trial, x + number * trial * slope, masses)
        first, speed = size(x), size(found)
        guess = jnp.where(jnp.minimum(first, speed) < 1e-5, 1e-6, 0.01 * first / speed)
        return slope, found, jnp.where(number == 0, jnp.minimum(guess, problem.times[-1] - t), trial)

    slope, further, trial = jax.lax.fori_loop(0, 2, look, (x, jnp.zeros_like(x), jnp.zeros_like(t)))
    speed, bend = size(slope), size(further - slope) / trial
    steepest = jnp.maximum(speed, bend)
    fit = jnp.where(steepest <= 1e-15, jnp.maximum(1e-6, trial * 1e-3), (0.01 / steepest) ** (1 / 8))
    none = jnp.zeros((), int)
    rooms = {
        name: jnp.full((len(problem.times), *value.shape), jnp.nan).at[0].set(value)
        for name, value in _observed(shape, problem, _on_sphere(x)).items()
    }
    collapse = jnp.where(mean_cosine(_on_sphere(x)) >= COLLAPSED, t, jnp.nan)
    return Course(
        t,
        x,
        slope,
        jnp.minimum(100 * trial, fit),
        jnp.asarray(_GROW, x.dtype),
        none + (1 if rooms else len(problem.times)),
        rooms,
        collapse,
        none,
        none,
        none + 2,
    )


def going(shape: ShapeClass, problem: Problem, course: Course) -> Bool[Array, ""]:
    """Whether there is more to see, time to see it in, and steps left; no step so short that it moves nothing."""
    unseen = course.seen < len(problem.times)
    if shape.collapse:
        unseen |= jnp.isnan(course.collapse)
    moves = course.t + course.step > course.t
    return (
        unseen
        & moves
        & (course.t < problem.times[-1])
        & (course.accepted + course.rejected < shape.max_steps)
    )


def advance(shape: ShapeClass, problem: Problem, course: Course) -> tuple[Course, Step]:
    """Try one step: the run behind it, or, where its error was too large, the run with a shorter one to try."""
    n, d = course.x.shape
    field, masses = field_of(shape, problem), _masses(problem)
    last = problem.times[-1]
    if shape.norm == "mix":
        last = jnp.where(course.t < problem.tau, jnp.minimum(problem.tau, last), last)
    lands = course.t + course.step >= last
    h = jnp.where(lands, last - course.t, course.step)

    def slope_at(number: Int[Array, ""], state: Float[Array, " coordinate"]) -> Float[Array, " coordinate"]:
        return field(course.t + jnp.asarray(NODES, h.dtype)[number] * h, state.reshape(n, d), masses).ravel()

    stages = slopes(slope_at, course.x.ravel(), course.slope.ravel(), h, STAGES + 1)
    change, fifth, third = sums(stages)
    end = course.x + h * change.reshape(n, d)
    error = h * _error(problem, course.x, end, fifth, third)
    accept = error <= 1
    t = jnp.where(lands, last, course.t + h)
    slope = stages[-1].reshape(n, d)
    if shape.norm == "mix":
        # The field jumps at tau: the next step starts behind it, with the slope that holds there.
        after = jnp.where(t == problem.tau, jnp.nextafter(t, jnp.inf), t)
        slope = jax.lax.cond(after > t, lambda: field(after, end, masses), lambda: slope)
        t = after
    scaled = h * factor(error, course.growth)
    moved = course._replace(
        t=t,
        x=end,
        slope=slope,
        step=jnp.where(lands, jnp.maximum(course.step, scaled), scaled),
        growth=jnp.full_like(course.growth, _GROW),
        accepted=course.accepted + 1,
        evaluations=course.evaluations + STAGES,
    )
    refused = course._replace(
        step=jnp.where(jnp.isfinite(error), jnp.minimum(scaled, h), h * _SHRINK),
        growth=jnp.ones_like(course.growth),
        rejected=course.rejected + 1,
        evaluations=course.evaluations + STAGES,
    )
    chosen = jax.tree.map(lambda yes, no: jnp.where(accept, yes, no), moved, refused)
    return chosen, Step(course.t, course.x, jnp.where(accept, h, 0), stages, end)


def due(shape: ShapeClass, problem: Problem, course: Course, step: Step) -> Bool[Array, ""]:
    """Whether something that was asked for lies within the step."""
    asked = problem.times[jnp.minimum(course.seen, len(problem.times) - 1)] <= course.t
    found = asked & (course.seen < len(problem.times))
    if shape.collapse:
        found |= jnp.isnan(course.collapse) & (mean_cosine(_on_sphere(step.end)) >= COLLAPSED)
    return found & (step.length > 0)


def look_back(shape: ShapeClass, problem: Problem, course: Course, step: Step) -> Course:
    """Observe what lies within the step, on its interpolant."""
    between = _interpolant(shape, problem, step)

    def more(course: Course) -> Bool[Array, ""]:
        return (course.seen < len(problem.times)) & (problem.times[course.seen] <= course.t)

    def observe(course: Course) -> Course:
        x = between((problem.times[course.seen] - step.t) / step.length)
        observed = {
            name: course.observed[name].at[course.seen].set(value)
            for name, value in _observed(shape, problem, x).items()
        }
        return course._replace(seen=course.seen + 1, observed=observed)

    if shape.observe:
        course = jax.lax.while_loop(more, observe, course)
    if not shape.collapse:
        return course

    share = bisected(lambda share: mean_cosine(between(share)) >= COLLAPSED, step.length, _HALVINGS)
    crossed = jnp.isnan(course.collapse) & (mean_cosine(_on_sphere(step.end)) >= COLLAPSED)
    return course._replace(collapse=jnp.where(crossed, step.t + share * step.length, course.collapse))


def _interpolant(
    shape: ShapeClass, problem: Problem, step: Step
) -> Callable[[Float[Array, ""]], Float[Array, "n d"]]:
    """The function from a share of the step, in [0, 1], to unit rows."""
    n, d = step.x.shape
    field, masses = field_of(shape, problem), _masses(problem)
    change = (step.end - step.x).ravel()
    table, nodes, ends = (
        jnp.asarray(part, step.x.dtype) for part in (DOP853.A_EXTRA, DOP853.C_EXTRA, DOP853.D)
    )

    def stage(i: Int[Array, ""], stages: Array) -> Array:
        moved = step.x + step.length * (table[i] @ stages).reshape(n, d)
        return stages.at[STAGES + 1 + i].set(field(step.t + nodes[i] * step.length, moved, masses).ravel())

    extra = jnp.zeros((len(table), n * d), step.x.dtype)
    stages = jnp.concatenate([step.stages, extra])
    stages = jax.lax.fori_loop(0, len(table), stage, stages)
    first, last = step.length * step.stages[0], step.length * step.stages[-1]
    parts = jnp.concatenate(
        [
            jnp.stack([change, first - change, 2 * change - last - first]),
            step.length * (ends @ stages),
        ]
    )

    def at(share: Float[Array, ""]) -> Float[Array, "n d"]:
        factors = [share if k % 2 == 0 else 1 - share for k in range(len(parts))]
        weights = jnp.cumprod(jnp.stack(factors))
        return _on_sphere(step.x + (weights @ parts).reshape(n, d))

    return at


def _error(
    problem: Problem, x: Float[Array, "n d"], end: Float[Array, "n d"], fifth: Array, third: Array
) -> Float[Array, ""]:
    """The error of a step of unit length over what is allowed, root mean square; infinite where not finite."""
    allowed = (problem.atol + problem.rtol * jnp.maximum(jnp.abs(x), jnp.abs(end))).ravel()
    ratio = both_errors(jnp.mean((fifth / allowed) ** 2), jnp.mean((third / allowed) ** 2))
    return jnp.where(jnp.isfinite(ratio), ratio, jnp.inf)


def _observed(shape: ShapeClass, problem: Problem, x: Float[Array, "n d"]) -> dict[str, Array]:
    """What is observed of unit rows, in float64 whatever the run is in."""
    observed: dict[str, Array] = {}
    tokens, beta = x.astype(float), problem.beta.astype(float)
    for observe in shape.observe:
        observed |= {name: jnp.asarray(value, float) for name, value in observe(tokens, beta).items()}
    return observed


def _on_sphere(x: Float[Array, "n d"]) -> Float[Array, "n d"]:
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def _masses(problem: Problem) -> Float[Array, " n"]:
    n = len(problem.start)
    return jnp.full(n, 1 / n, problem.start.dtype)
