"""The long-time solver: clusters that merge at any beta, at a cost that does not grow with the time it takes."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from sim.attention import Attention, checked_field
from sim.mergers import batch
from sim.mergers.cascade import Cascade, Script
from sim.mergers.rates import Rules
from sim.mergers.record import Coalescence, Ending
from sim.precision import require_64_bit
from sim.sphere import Matrix, real_array, real_number
from sim.trajectory import UNIT_TOLERANCE

Stack = np.ndarray[tuple[int, int, int], np.dtype[np.float64]]
Masses = Float[ArrayLike, "*batch n"] | Sequence[float]


@overload
def coalesce(
    field: Attention,
    x0: Float[Matrix, "n d"],
    masses: Masses | None = None,
    *,
    merge_chord: float | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 10_000_000,
    throw: bool = True,
) -> Coalescence: ...


@overload
def coalesce(
    field: Attention,
    x0: Float[Stack, "batch n d"] | Sequence[Float[np.ndarray, "n d"]],
    masses: Masses | None = None,
    *,
    merge_chord: float | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 10_000_000,
    throw: bool = True,
) -> tuple[Coalescence, ...]: ...


@overload
def coalesce(
    field: Attention,
    x0: Float[ArrayLike, "*batch n d"],
    masses: Masses | None = None,
    *,
    merge_chord: float | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 10_000_000,
    throw: bool = True,
) -> Coalescence | tuple[Coalescence, ...]: ...


def coalesce(
    field: Attention,
    x0: Float[ArrayLike, "*batch n d"] | Sequence[Float[np.ndarray, "n d"]],
    masses: Masses | None = None,
    *,
    merge_chord: float | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 10_000_000,
    throw: bool = True,
) -> Coalescence | tuple[Coalescence, ...]:
    """Follow points under SA or USA with Q = K = V = I through every merger, to one cluster, at any beta.

    Between mergers clusters stand still for a time of order e^(beta (1 - cos)) (2410.06833, Theorem 1.2), which no
    time stepper crosses. Here only log t is kept. Weighted clusters are an exact invariant subsystem (2410.06833,
    Section 5), so a pair that has come within `merge_chord` is replaced by its mass centroid. The solver is ours:

    - Clusters that are too quiet to be felt within each other's time to merge are followed apart: a pull matters
      if e^Q T does, with Q the log of the largest rate of a pair and T the lifetime of a group. What is left out
      changes log times by about e^-20.
    - Two clusters alone are followed by quadrature of their closed form; more, by an adaptive integration of
      order 8 in a time whose unit is the closing of their fastest pair.
    - The next group to finish is taken from a queue. What its merger comes to reach, on its way or at its end, is
      broken off at that moment and followed anew together with it.

    Arguments
    ---------
    field: `Attention` of either kind, not causal, without operators; any beta >= 0.
    x0: (n, d) unit rows, or a list of such starts or (batch, n, d): many at once, each followed on its own.
    masses: (n,) or (batch, n) positive, summing to 1; uniform where None.
    merge_chord: distance at which two clusters become one; 1e-5 / max(beta, 1) where None.
    tolerance: of a step, relative to the log time and to the sphere's radius.
    max_steps: bound on the accepted steps of one start.
    throw: raise where the ending is SADDLE or MAX_STEPS; else return what was found.

    Returns a `Coalescence`, or a tuple of them, one for each start of a batch. Log times are accurate to about
    1e-8 relative and positions to 1e-8 at the default tolerance, with three limits. Where two mergers that share a
    cluster nearly tie, the error of a step grows with the instability of the tie: at a margin of 1e-5 to 1e-4 last
    log times were off by 1e-5 to 4e-4 (see `Coalescence.margins`). And a chord near the merge chord is rounded to 1e-16
    of the sphere's radius, which limits early log times to about 1e-16 / merge_chord, 1e-5 at beta = 1e6. And hundreds
    of clusters that all pull each other amplify the error of a step with no tie in sight: of 256 uniform points on S^2
    at beta = 1e3 late log times moved by up to 1.4e-3, and the tree changed, between tolerances 1e-8 and 1e-9.

    Raises ValueError for a causal or learned field, one with positions, points off the sphere, masses that do not sum
    to 1, 32-bit JAX, and for a start that ends at a saddle; RuntimeError where max_steps is reached.
    Cost: about 500 evaluations a merger in its group, each of which is O(s^2) for a group of s; O(n) besides for each
    cluster that changed. A program is compiled once for each number of dimensions and for groups of up to 8, 64, 256,
    512, ... clusters, whatever beta, kind, masses and tolerance: 3 s each, or nothing where JAX's cache holds it.

    >>> import sim
    >>> tree = sim.coalesce(sim.Attention(9.0), sim.uniform(4, 2))
    >>> tree.ending.value, tree.pairs.tolist(), tree.log_times.round(3).tolist()
    ('complete', [[1, 3], [0, 4], [5, 2]], [2.616, 3.454, 13.253])
    """
    checked_field(field)
    require_64_bit(field)
    beta = _checked_beta(field)
    starts, weights = _checked_points(x0, masses)
    chord = 1e-5 / max(beta, 1.0) if merge_chord is None else real_number("merge_chord", merge_chord)
    tolerance = real_number("tolerance", tolerance)
    if not (0 < chord < 1 and 1e-13 < tolerance < 1e-2 and max_steps >= 1):
        raise ValueError(
            f"need 0 < merge_chord < 1, 1e-13 < tolerance < 1e-2 and max_steps >= 1, got {chord}, {tolerance} "
            f"and {max_steps}"
        )
    usa = field.kind == "USA"
    cascades = [
        Cascade(x, mass, beta, usa, chord, max_steps)
        for x, mass in zip(starts.reshape(-1, *starts.shape[-2:]), weights.reshape(-1, weights.shape[-1]))
    ]
    _play([cascade.run() for cascade in cascades], batch.rules(beta, usa, tolerance, chord), max_steps)
    results = tuple(cascade.result(field, tolerance) for cascade in cascades)
    if throw:
        for number, result in enumerate(results):
            _raise_unless_whole(result, f"start {number} of {len(results)}: " if starts.ndim == 3 else "")
    return results if starts.ndim == 3 else results[0]


def _checked_beta(field: Attention) -> float:
    if field.causal or field.norm != "post" or field.operators:
        raise ValueError(
            "coalesce needs attention with Q = K = V = I, no mask and unit lengths, got a causal or learned field, one "
            "with positions, or another norm: use Attention(beta, kind), or simulate"
        )
    if np.ndim(field.beta) != 0:
        raise ValueError(f"coalesce needs one beta, got shape {np.shape(field.beta)}: call it for each beta")
    return float(field.beta)


def _checked_points(
    x0: ArrayLike | Sequence[np.ndarray], masses: Masses | None
) -> tuple[np.ndarray, np.ndarray]:
    x = real_array("x0", x0).copy()
    if x.ndim not in (2, 3) or x.shape[-2] < 1 or x.shape[-1] < 2:
        raise ValueError(f"x0 must have shape (n, d) or (batch, n, d) with d at least 2, got {x.shape}")
    lengths = np.linalg.norm(x, axis=-1, keepdims=True)
    if not np.all(np.abs(lengths - 1) <= UNIT_TOLERANCE):
        raise ValueError("x0 must have unit rows: divide each row by its length")
    mass = np.full(x.shape[-2], 1 / x.shape[-2]) if masses is None else np.array(masses, np.float64)
    if mass.shape not in (x.shape[-2:-1], x.shape[:-1]):
        raise ValueError(f"masses must have shape {x.shape[:-1]} to match x0, got {mass.shape}")
    mass = np.broadcast_to(mass, x.shape[:-1])
    if not (np.all(mass > 0) and np.all(np.abs(mass.sum(axis=-1) - 1) < 1e-9)):
        raise ValueError("masses must be positive and sum to 1: divide by their sum")
    return x / lengths, mass


def _raise_unless_whole(result: Coalescence, where: str) -> None:
    if result.ending is Ending.SADDLE:
        raise ValueError(
            f"{where}{result.clusters} clusters are left that stand still at a saddle, to rounding: perturb the "
            "points, or pass throw=False to have what came before"
        )
    if result.ending is Ending.MAX_STEPS:
        raise RuntimeError(
            f"{where}{result.clusters} clusters are left after {result.steps} steps: allow more with max_steps, or a "
            "larger tolerance if it was not reached; throw=False gives what came before"
        )


def _play(scripts: list[Script], shared: Rules, max_steps: int) -> None:
    """Run all scripts to their ends, answering together what they ask for at the same time."""
    asked: list[tuple[Script, list[batch.Start]]] = []
    for script in scripts:
        asked.extend((script, starts) for starts in _asks(script, None))
    while asked:
        runs: Iterator[batch.Run] = iter(
            batch.follow([start for _, starts in asked for start in starts], shared, max_steps)
        )
        answers = [(script, [next(runs) for _ in starts]) for script, starts in asked]
        asked = [(script, starts) for script, answer in answers for starts in _asks(script, answer)]


def _asks(script: Script, answer: list[batch.Run] | None) -> list[list[batch.Start]]:
    """What a script asks for after an answer; nothing where it has ended."""
    try:
        return [next(script) if answer is None else script.send(answer)]
    except StopIteration:
        return []
