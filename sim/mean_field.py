"""Simulations of 1e5 to 1e6 tokens on the circle and on S^2 by fast sums: the mean field up to its first clusters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int
from scipy.integrate import DOP853

from sim.attention import Attention, checked_field
from sim.fast_sums import Sums, direct_sums, sums
from sim.integration import Outcome, checked_start, checked_times
from sim.precision import require_64_bit
from sim.provenance import json_values
from sim.sphere import normalise
from sim.trajectory import Trajectory

CHECKED = 16
LEAST_DIGITS = 1e3
BETWEEN_CHECKS = 8
CLUSTER_RADIUS = 1e-3
"""Of a cluster, in units of (1 + beta)^(-1/2), the distance over which a token's pull changes."""
MOST_CLUSTERS = 256


def simulate_mean_field(
    field: Attention,
    x0: ArrayLike,
    times: ArrayLike | Sequence[float | int],
    masses: ArrayLike | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    *,
    max_steps: int = 10_000,
    throw: bool = True,
    tokens: Sequence[str] | None = None,
    provenance: Mapping[str, object] | None = None,
) -> Trajectory:
    """`simulate` for very many tokens on S^1 and S^2, at a cost of n and not of n^2, where Q = K = V = I.

    **The error is absolute.** Pairs beyond beta (1 - cos) of about 30 are lost among rounding, so that clusters that
    far apart stand still for ever. It serves for the phases in which tokens move: the growth of the first clusters
    from the uniform law (2410.23228), and their collapse. At every asked time the velocities of 16 tokens, of least
    attention among them, are held against sums over all pairs; the largest deviation is ``velocity_error`` in the
    provenance. Where no token moves a thousand times faster than that, nor any cluster where there are at most 256 and
    more than one, what moves them is beyond reach and the run ends; `coalesce` goes on from there, with the clusters as
    its tokens.

    Arguments
    ---------
    field: with identity operators and norm ``"post"``, without a mask.
    x0: (n, d) unit rows, to 1e-6, d = 2 or 3.
    times, masses, tokens, provenance: as of `simulate`.
    rtol, atol: the error allowed in a step, root mean square over all coordinates.
    max_steps: bound on accepted steps.
    throw: raise RuntimeError where the last time is not reached; else return the depths that were.

    Returns a `Trajectory` on the axis ``"time"``, its provenance as of `simulate`, with ``velocity_error``. Its
    ``outcome`` is ``"plateau"`` where the run ended as said above.

    Raises ValueError for another field, another d, 32-bit JAX, points off the sphere, times or masses out of order,
    a missing library (``pip install "metasphere[meanfield]"``); RuntimeError as above.
    Cost: 12 sums a step, on one thread: n = 1e6 takes about .1 s each on the circle and .4 s on S^2 up to beta 100.
    The same start gives the same bytes.

    >>> import numpy as np
    >>> import sim
    >>> angles = 2 * np.pi * np.arange(20_000) / 20_000
    >>> start = np.stack((np.cos(angles + 1e-3 * np.sin(3 * angles)), np.sin(angles + 1e-3 * np.sin(3 * angles))), 1)
    >>> run = sim.simulate_mean_field(sim.Attention(5.0), start, [0.0, 2.0])
    >>> from compare import theory
    >>> grown = [abs(np.mean((x[:, 0] + 1j * x[:, 1]) ** 3)) for x in run.points]
    >>> round(float(np.log(grown[1] / grown[0]) / 2), 4), round(float(theory.growth_rate(3, 5.0)), 4)
    (0.6827, 0.6827)
    """
    checked_field(field)
    require_64_bit(field)
    _check_field(field)
    given = json_values(provenance)
    start, lengths = checked_start(x0)
    moments = checked_times(times)
    if not (1e-13 <= rtol < 1 and 0 < atol < 1 and max_steps >= 1):
        raise ValueError(
            f"need 1e-13 <= rtol < 1, 0 < atol < 1 and max_steps >= 1, got {rtol}, {atol} and {max_steps}"
        )
    begin = Trajectory(
        start[None],
        moments[:1],
        masses=np.full(len(start), 1 / len(start)) if masses is None else np.asarray(masses, np.float64),
        tokens=tuple(map(str, range(len(start)))) if tokens is None else tokens,
    )
    run = _follow(field, start, begin.masses, moments, rtol, atol, max_steps)
    if throw and run.outcome is not Outcome.SUCCESS:
        raise RuntimeError(_complaint(run, moments[-1], max_steps))
    return replace(
        begin,
        points=normalise(run.states),
        depth=moments[: len(run.states)],
        norms=np.concatenate([lengths[None], np.linalg.norm(run.states[1:], axis=-1)]),
        provenance={
            "versions": {name: version(name) for name in ("metasphere", "scipy", "ducc0")},
            "device": "cpu",
            "dtype": str(start.dtype),
            **field.describe(),
            "solver": "fast sums, DOP853",
            "rtol": rtol,
            "atol": atol,
            "accepted": run.accepted,
            "evaluations": run.evaluations,
            "reached": run.reached,
            "velocity_error": run.velocity_error,
            "outcome": run.outcome.value,
            **given,
        },
    )


class _Run(NamedTuple):
    """Unprojected states at the asked times that were reached, the last time of the solver, and what it cost."""

    outcome: Outcome
    states: Float[np.ndarray, "depth n d"]
    reached: float
    accepted: int
    evaluations: int
    velocity_error: float


def _follow(
    field: Attention,
    start: Float[np.ndarray, "n d"],
    masses: Float[np.ndarray, " n"],
    moments: Float[np.ndarray, " depth"],
    rtol: float,
    atol: float,
    max_steps: int,
) -> _Run:
    """Steps that end at every asked time, so that no recorded state is interpolated."""
    beta = float(field.beta)
    fast = sums(start.shape[1], beta)

    def flow(t: float, y: Float[np.ndarray, " nd"]) -> Float[np.ndarray, " nd"]:
        del t
        return _velocity(field, fast(normalise(y.reshape(start.shape)), masses)).ravel()

    def deviation(points: Float[np.ndarray, "n d"]) -> float:
        found = fast(points, masses)
        some = np.append(np.linspace(0, len(points) - 1, CHECKED - 1).astype(int), np.argmin(found.weight))
        exact = _velocity(field, direct_sums(beta, points[some], points, masses))
        return float(np.max(np.linalg.norm(_velocity(field, found)[some] - exact, axis=1)))

    def moved(state: Float[np.ndarray, "n d"]) -> bool:
        least = LEAST_DIGITS * max(error, np.finfo(float).eps)
        return bool(_fastest(field, normalise(state), masses, fast) > least)

    states, error = [start], deviation(start)
    reached, accepted, evaluations, step = float(moments[0]), 0, 0, None
    outcome = Outcome.SUCCESS if len(moments) == 1 or moved(start) else Outcome.PLATEAU
    for begin, end in pairwise(moments):
        if outcome is not Outcome.SUCCESS:
            break
        # From 0 on, so that a step of the whole length ends where it should, to the last bit.
        first_step = None if step is None else min(step, end - begin)
        solver = DOP853(
            flow, 0.0, states[-1].ravel(), end - begin, rtol=rtol, atol=atol, first_step=first_step
        )
        step = 0.0
        while solver.status == "running" and outcome is Outcome.SUCCESS:
            solver.step()
            accepted += 1
            step = max(step, solver.t - (solver.t_old or 0.0))
            if solver.status == "running" and accepted == max_steps:
                outcome = Outcome.MAX_STEPS
            elif accepted % BETWEEN_CHECKS == 0 and not moved(solver.y.reshape(start.shape)):
                outcome = Outcome.PLATEAU
        reached, evaluations = float(begin + solver.t), evaluations + solver.nfev
        if solver.status == "failed":
            outcome = Outcome.NOT_FINITE
        elif solver.status == "finished":
            states.append(solver.y.reshape(start.shape))
            error = max(error, deviation(normalise(states[-1])))
            if end == moments[-1]:
                outcome = Outcome.SUCCESS
            elif not moved(states[-1]):
                outcome = Outcome.PLATEAU
            step = max(step, solver.h_abs)  # the last step may have been cut short
    return _Run(outcome, np.stack(states), reached, accepted, evaluations, error)


def _fastest(
    field: Attention,
    points: Float[np.ndarray, "n d"],
    masses: Float[np.ndarray, " n"],
    fast: Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]], Sums],
) -> float:
    """The largest speed: of clusters, term by term, where the tokens stand in few; infinite where all are in one.

    Inside a cluster the solver's steps leave motion of the size of its tolerance, which moves no cluster.
    """
    some = points[np.linspace(0, len(points) - 1, 2 * MOST_CLUSTERS).astype(int)]
    beta = float(field.beta)
    radius = CLUSTER_RADIUS / np.sqrt(1 + beta)
    clusters = _clusters(points, radius) if _clusters(some, radius) is not None else None
    if clusters is None:
        velocity = _velocity(field, fast(points, masses))
    elif len(clusters) == 1:
        return np.inf
    else:
        centres = np.array([points[cluster[0]] for cluster in clusters])
        weights = np.array([masses[cluster].sum() for cluster in clusters])
        velocity = _velocity(field, direct_sums(beta, centres, centres, weights))
    return float(np.max(np.linalg.norm(velocity, axis=1)))


def _clusters(points: Float[np.ndarray, "n d"], radius: float) -> list[Int[np.ndarray, " member"]] | None:
    """The tokens within `radius` of one, of the next that is left, and so on; None where these are too many."""
    left, found = np.arange(len(points)), []
    while len(left) and len(found) < MOST_CLUSTERS:
        near = np.sum((points[left] - points[left[0]]) ** 2, axis=1) <= radius**2
        found.append(left[near])
        left = left[~near]
    return None if len(left) else found


def _velocity(field: Attention, found: Sums) -> Float[np.ndarray, "m d"]:
    if field.kind == "SA":
        return found.pull / found.weight[:, None]
    return np.exp(float(field.beta)) * found.pull if field.clock == "survey" else found.pull


def _check_field(field: Attention) -> None:
    if field.operators or field.causal or field.norm != "post" or field.heads > 1:
        raise ValueError(
            "fast sums are for one head with identity operators, norm='post' and no mask: use sim.simulate"
        )


def _complaint(run: _Run, last: float, max_steps: int) -> str:
    at = f"t = {run.reached:.6g} of {last:.6g}"
    if run.outcome is Outcome.PLATEAU:
        return (
            f"from {at} on the tokens stand still as far as sums with an error of {run.velocity_error:.1g} can see: "
            "what moves clusters then is for sim.coalesce; throw=False returns what was reached"
        )
    if run.outcome is Outcome.MAX_STEPS:
        return f"{max_steps} steps reached only {at}: raise max_steps or rtol"
    return f"the solver found no step behind {at}: raise rtol, or make beta smaller"
