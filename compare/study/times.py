"""The times at which a run is recorded: evenly in log t, since clusters live for times of every order."""

import numpy as np
from jaxtyping import Float

from sim import Coalescence

BEFORE = 4.0


def save_times(until: float, depths: int) -> Float[np.ndarray, " depth"]:
    """0 and `depths` - 1 times evenly spaced in log t from 0.01 (or `until` / 100, if less) to `until`."""
    if not (np.isfinite(until) and until > 0 and depths >= 2):
        raise ValueError(f"need a positive end time and at least 2 depths, got {until} and {depths}")
    return np.concatenate([[0.0], np.geomspace(min(0.01, until / 100), until, depths - 1)])


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
