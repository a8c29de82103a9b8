"""Follow tokens through time: adaptive integration of attention to a `Trajectory`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from importlib.metadata import version
from typing import Any, NamedTuple, cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sim.attention import Attention, checked_field
from sim.normalisation import GROWING
from sim.precision import require_64_bit
from sim.provenance import json_values
from sim.sphere import normalise, real_array, real_number
from sim.trajectory import UNIT_TOLERANCE, Trajectory


class Outcome(StrEnum):
    """How a simulation ended: ``provenance["outcome"]``.

    SUCCESS: at the last time that was asked for. MAX_STEPS: where the solver's steps ran out. NOT_FINITE: at the start,
    whose velocities are too large for numbers. PLATEAU: of `simulate_mean_field`, where what still moves is beyond its
    reach.

    >>> import sim
    >>> run = sim.simulate(sim.Attention(9.0), sim.uniform(4, 3), [0.0, 9.0], max_steps=3, throw=False)
    >>> sim.Outcome(run.provenance["outcome"]) is sim.Outcome.MAX_STEPS, len(run.depth)
    (True, 1)
    """

    SUCCESS = "success"
    MAX_STEPS = "max_steps"
    NOT_FINITE = "not_finite"
    PLATEAU = "plateau"


def simulate(
    field: Attention,
    x0: ArrayLike,
    times: ArrayLike | Sequence[float | int],
    masses: ArrayLike | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    *,
    max_steps: int = 100_000,
    throw: bool = True,
    attention: bool = False,
    tokens: Sequence[str] | None = None,
    provenance: Mapping[str, object] | None = None,
    radii: ArrayLike | None = None,
) -> Trajectory:
    """Integrate dx/dt = field(t, x, masses) from `x0` and record the tokens at `times`.

    The Dormand-Prince method of order 8 with adaptive steps, which end at every asked time, so that what is
    recorded has the accuracy of the steps and not of an interpolation. Recorded states are projected to the sphere;
    their lengths before are in ``norms``, the radii r_i(t) where the scheme of the field has them (pre, peri, mix).
    Where clusters stand still for a time of order e^(beta (1 - cos)) beyond 1e5, use `coalesce`: no time stepper
    crosses that.

    Arguments
    ---------
    field: the vector field; its beta can change between calls without compiling anew.
    x0: (n, d) unit rows, to 1e-6. Coinciding tokens stay together; antipodal ones are legal, and stationary for n = 2.
    times: strictly increasing; the first one is the time of `x0`.
    masses: (n,) positive, summing to 1; uniform where None.
    rtol, atol: the error allowed in a step, root mean square over the coordinates of distinct tokens; rtol >= 1e-14.
    max_steps: bound on accepted and rejected steps together.
    throw: raise RuntimeError where the last time is not reached; else return the depths that were.
    attention: also record the (depth, head, n, n) attention at each time; of USA, its rows divided by their sums.
    tokens: names of the tokens.
    provenance: JSON values to keep with the record, such as {"seed": 3}.
    radii: (n,) lengths r_i above 0 at the start, of pre, peri and mix alone; ones where None.

    Returns a `Trajectory` on the axis ``"time"``. Its provenance holds the versions, the field (kind, beta, causal,
    clock, norm, heads, operators), the solver (tolerances, accepted and rejected steps, evaluations), ``reached`` (the
    last time of the solver), ``drift`` (the largest distance of a length from 1; None where the scheme has radii) and
    ``outcome``, a value of `Outcome`.

    Raises ValueError for points off the sphere, times or masses out of order, radii that the scheme does not have,
    times below 1 for sqrt, whose speed is infinite at 0, provenance that is not JSON, and 32-bit JAX;
    RuntimeError as above.
    Cost: 13 evaluations of the field a step, each O(n^2 d); a first call compiles for each shape (about a second).

    >>> import sim
    >>> from compare import theory
    >>> run = sim.simulate(sim.Attention(1.0), sim.ring(4)[:2], [0.0, 1.0])
    >>> round(float(run.points[-1, 0] @ run.points[-1, 1]), 6), round(float(theory.gamma(1.0, 2, 1.0)), 6)
    (0.579195, 0.579195)
    """
    checked_field(field)
    require_64_bit(field)
    given = json_values(provenance)
    start, lengths = checked_start(x0)
    moments = checked_times(times)
    rtol, atol = real_number("rtol", rtol), real_number("atol", atol)
    if not (1e-14 <= rtol < 1 and 0 < atol < 1 and max_steps >= 1):
        raise ValueError(
            f"need 1e-14 <= rtol < 1, 0 < atol < 1 and max_steps >= 1, got {rtol}, {atol} and {max_steps}"
        )
    if field.norm == "sqrt" and moments[0] < 1:
        raise ValueError(f"norm='sqrt' runs from t = 1 on, got times from {moments[0]:.6g}: start them at 1")
    lengths = _checked_radii(field, radii, lengths)
    begin = Trajectory(
        start[None],
        moments[:1],
        masses=np.full(len(start), 1 / len(start)) if masses is None else np.asarray(masses, np.float64),
        tokens=tuple(map(str, range(len(start)))) if tokens is None else tokens,
    )
    weights = jnp.asarray(begin.masses)
    if field.norm in GROWING:
        start = lengths[:, None] * start
    first, place = _distinct(start, field.tells_places_apart)
    states, reached, steps = start[None], float(moments[0]), {"accepted": 0, "rejected": 0}
    outcome = Outcome.SUCCESS
    if not np.all(np.isfinite(field(reached, start, weights))):
        outcome = Outcome.NOT_FINITE
    elif len(moments) > 1:
        tolerances = jnp.asarray(rtol), jnp.asarray(atol)
        joint = jnp.asarray(np.bincount(place, weights))
        run = integrate(field, jnp.asarray(start[first]), joint, _padded(moments), *tolerances, max_steps)
        states = _reached_states(start, np.asarray(run.states)[: len(moments), place])
        reached, steps = float(run.reached), {"accepted": int(run.accepted), "rejected": int(run.rejected)}
        outcome = Outcome.SUCCESS if len(states) == len(moments) else Outcome.MAX_STEPS
    if throw and outcome is not Outcome.SUCCESS:
        raise RuntimeError(_complaint(outcome, reached, moments[-1], max_steps))
    norms = np.linalg.norm(states, axis=-1)
    points = normalise(states)
    return replace(
        begin,
        points=points,
        depth=moments[: len(states)],
        norms=np.concatenate([lengths[None], norms[1:]]),
        attention=np.asarray(_attention(field, jnp.asarray(points), weights)) if attention else None,
        provenance={
            "versions": {name: version(name) for name in ("metasphere", "jax", "diffrax")},
            "device": jax.devices()[0].device_kind,
            "dtype": str(points.dtype),
            **field.describe(),
            "solver": "Dopri8",
            "rtol": rtol,
            "atol": atol,
            **steps,
            "evaluations": 13 * sum(steps.values()),
            "reached": reached,
            "drift": None if field.norm in GROWING else float(np.max(np.abs(norms - 1))),
            "outcome": outcome.value,
            **given,
        },
    )


class Integration(NamedTuple):
    """Unprojected states at the asked times, infinite where not reached; the time reached; the steps taken."""

    states: Float[Array, "depth n d"]
    reached: Float[Array, ""]
    accepted: Int[Array, ""]
    rejected: Int[Array, ""]


@eqx.filter_jit
def integrate(
    field: Attention,
    x0: Float[Array, "n d"],
    masses: Float[Array, " n"],
    times: Float[Array, " depth"],
    rtol: Float[Array, ""],
    atol: Float[Array, ""],
    max_steps: int,
) -> Integration:
    """The bare solver behind `simulate`, without its checks: for use under `jax.vmap` and `jax.lax.map`."""
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Dopri8(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=x0,
        args=masses,
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=times), diffrax.SubSaveAt(t1=True)]),
        stepsize_controller=diffrax.ClipStepSizeController(
            diffrax.PIDController(rtol=rtol, atol=atol),
            step_ts=times,
            jump_ts=None if field.tau is None else field.tau[None],
        ),
        max_steps=max_steps,
        throw=False,
        adjoint=diffrax.ForwardMode(),
    )
    (states, _), (_, reached) = cast(Any, solution.ys), cast(Any, solution.ts)
    return Integration(
        states, reached[0], solution.stats["num_accepted_steps"], solution.stats["num_rejected_steps"]
    )


@eqx.filter_jit
def _attention(
    field: Attention, points: Float[Array, "depth n d"], masses: Float[Array, " n"]
) -> Float[Array, "depth head n n"]:
    def at_depth(x: Float[Array, "n d"]) -> Float[Array, "head n n"]:
        weights = field.weights(x, masses)
        return weights / jnp.sum(weights, axis=-1, keepdims=True)

    return jax.lax.map(at_depth, points)


def _reached_states(
    start: Float[np.ndarray, "n d"], saved: Float[np.ndarray, "depth n d"]
) -> Float[np.ndarray, "reached n d"]:
    """The start, which diffrax saves only with its first step, and the finite ones of the saved states after it."""
    later = saved[1:]
    return np.concatenate([start[None], later[np.isfinite(later).all(axis=(1, 2))]])


def _distinct(
    start: Float[np.ndarray, "n d"], apart: bool
) -> tuple[Int[np.ndarray, " distinct"], Int[np.ndarray, " n"]]:
    """The tokens at different places, by number, and for each token which of them is where it is.

    Coinciding tokens see the same, so they stay together, as one of their joint mass; where places tell them apart, as
    behind a mask, they do not.
    """
    if apart:
        return np.arange(len(start)), np.arange(len(start))
    _, first, place = np.unique(start, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[place]


def checked_start(x0: ArrayLike) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Unit rows and the lengths that they had."""
    start = real_array("x0", x0)
    if start.ndim != 2 or start.shape[0] < 1 or start.shape[1] < 2:
        raise ValueError(f"x0 must have shape (n, d) with d at least 2, got {start.shape}")
    lengths = np.linalg.norm(start, axis=-1)
    if not np.all(np.abs(lengths - 1) <= UNIT_TOLERANCE):
        worst = lengths[np.argmax(np.abs(lengths - 1))]
        raise ValueError(
            f"x0 must have unit rows, got one of length {worst:.6g}: divide each row by its length"
        )
    return normalise(start), lengths


def _checked_radii(
    field: Attention, radii: ArrayLike | None, lengths: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The lengths at the start: as given, ones where the scheme has radii and none are, else those of the rows."""
    if radii is None:
        return np.ones_like(lengths) if field.norm in GROWING else lengths
    if field.norm not in GROWING:
        raise ValueError(
            f"radii belong to norm {', '.join(GROWING)}, got some with norm={field.norm!r}: leave radii out"
        )
    given = np.asarray(radii, np.float64)
    if given.shape != lengths.shape or not np.all((given > 0) & (given < np.inf)):
        raise ValueError(
            f"radii must be {len(lengths)} finite numbers above 0, one for each token, got {radii}"
        )
    return given


def checked_times(times: ArrayLike | Sequence[float | int]) -> Float[np.ndarray, " depth"]:
    """Finite times that increase strictly, the first one that of the start."""
    moments = real_array("times", times)
    if moments.ndim != 1 or len(moments) < 1 or not np.all(np.isfinite(moments)):
        raise ValueError(
            f"times must be a list of finite numbers, the time of x0 first, got shape {moments.shape}"
        )
    if np.any(np.diff(moments) <= 0):
        raise ValueError("times must increase strictly, the time of x0 first: sort them and drop repeats")
    return moments


def _padded(times: Float[np.ndarray, " depth"]) -> Float[Array, " padded"]:
    """The times, the last one repeated up to a power of two, so that few numbers of times compile anew."""
    size = max(32, 1 << (len(times) - 1).bit_length())
    return jnp.asarray(np.pad(times, (0, size - len(times)), mode="edge"))


def _complaint(outcome: Outcome, reached: float, last: float, max_steps: int) -> str:
    if outcome is Outcome.NOT_FINITE:
        return f"the field is not finite at t = {reached:.6g}: make beta or the operators smaller"
    return (
        f"{max_steps} steps reached only t = {reached:.6g} of {last:.6g}: raise max_steps or rtol, "
        "or use coalesce where clusters stand still"
    )
