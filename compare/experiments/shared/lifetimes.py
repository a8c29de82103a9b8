"""The two times of Theorem 1.2 of 2410.06833, measured on a run of `coalesce` that starts from caps of tokens."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sim.mergers.record import Coalescence

EARLY = -10.0
HALVINGS = 22

Tokens = Float[np.ndarray, "n d"]
Centres = Float[np.ndarray, "k d"]


def widths(tokens: Tokens, count: int) -> Float[np.ndarray, " k"]:
    """The largest distance inside each cap; tokens of one cap stand next to each other."""
    groups = tokens.reshape(count, -1, tokens.shape[1])
    return np.linalg.norm(groups[:, :, None] - groups[:, None], axis=-1).max(axis=(1, 2))


def _outside(tokens: Tokens, centres: Centres, eps: float) -> bool:
    """Whether a token is outside the cap of height 2 eps around its centre."""
    apart = tokens - np.repeat(centres, len(tokens) // len(centres), axis=0)
    return bool(np.any(np.sum(apart**2, axis=1) / 2 > 2 * eps))


def log_escape_time(found: Coalescence, centres: Centres, eps: float) -> float:
    """ln T2 of a run: when the first token leaves its cap of height 2 eps; inf where none does."""
    return _first_time(found, lambda tokens: _outside(tokens, centres, eps))


def log_collapse_time(found: Coalescence, count: int, log_goal: float) -> float:
    """ln T1 of a run of caps of two tokens: when no cap is wider than e^log_goal; inf where that never comes.

    Two tokens closer than the merge chord are one in the record; below it their distance falls as e^(-t) (SA) or
    e^(-t m) (USA), m the mass of the cap, exactly to order beta chord^2, and that is added.
    """
    tail = np.log(found.merge_chord) - log_goal
    goal = max(np.exp(log_goal), found.merge_chord)
    at_goal = _first_time(found, lambda tokens: bool(widths(tokens, count).max() <= goal))
    if tail <= 0:
        return at_goal
    return float(np.logaddexp(at_goal, np.log(tail if found.kind == "SA" else tail * count)))


def _first_time(found: Coalescence, reached: Callable[[Tokens], bool]) -> float:
    """The log time at which the tokens first do what is asked, to a 4e6-th of the stage between two mergers."""

    def at(log_time: float) -> bool:
        return reached(found.trajectory([log_time]).points[0])

    low = EARLY
    for high in found.log_times:
        if at(high):
            break
        low = high
    else:
        return np.inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle) else (middle, high)
    return float(high)
