"""The runs of the theory that end with the last merger, and the log times at which they are recorded."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

import sim
from compare.study.simulations import starting_points
from sim import Coalescence, Trajectory

BEFORE = 4.0


def coalescence(
    *, kind: Literal["SA", "USA"], beta: float, start: str, tokens: int, dimension: int, seed: int
) -> Coalescence:
    """Idealised attention through every merger."""
    points = starting_points(start, tokens, dimension, seed)
    return sim.coalesce(sim.Attention(beta, kind), points)


def recorded(whole: Coalescence, depths: int | None, start: str, seed: int) -> Trajectory:
    """Its points on an even grid of log t; where `depths` is None, at times close round every merger."""
    times = close_log_times(whole) if depths is None else even_log_times(whole, depths)
    made = whole.trajectory(times)
    return replace(made, provenance={**made.provenance, "seed": seed, "start": start, "causal": False})


def coalesced(*, start: str, depths: int | None, seed: int, **settings: Any) -> Trajectory:
    """Idealised attention to the last merger."""
    return recorded(coalescence(start=start, seed=seed, **settings), depths, start, seed)


def even_log_times(coalescence: Coalescence, depths: int) -> Float[np.ndarray, " depth"]:
    """Log times evenly from e^-4 of the first merger to a little after the last one."""
    finite = coalescence.log_times[np.isfinite(coalescence.log_times)]
    if not finite.size:
        return np.linspace(-BEFORE, BEFORE, depths)
    first, last = finite[0] - BEFORE, finite[-1]
    return np.linspace(first, last + 0.05 * (last - first), depths)


def close_log_times(coalescence: Coalescence, count: int = 200) -> Float[np.ndarray, " depth"]:
    """Log times that show every plateau: an even grid over the whole run, and a close look around each merger."""
    mergers = coalescence.log_times[np.isfinite(coalescence.log_times)]
    if mergers.size == 0:
        return np.array([0.0, 1.0])
    span = max(mergers[-1] - mergers[0], 1.0)
    grid = np.linspace(mergers[0] - 0.1 * span, mergers[-1] + 0.1 * span, count)
    near = (mergers[:, None] + np.array([-3.0, -1.0, -0.3, -0.1, -0.03, 0.0, 0.03, 0.3, 1.0])).ravel()
    return np.unique(np.concatenate([grid, near]))
