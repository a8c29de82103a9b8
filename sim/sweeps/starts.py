"""Where the cells of a sweep start: by a name, or from a file of points."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from sim.sphere import caps, normalise, uniform
from sim.trajectory import UNIT_TOLERANCE

HEIGHT = 0.003
Start = Callable[[int, int, int], Float[np.ndarray, "n d"]]


def caps_round_axes(n: int, d: int, seed: int) -> Float[np.ndarray, "n d"]:
    """n points in caps of height 0.003 round the axes, one cap for each dimension, of equal sizes to one point."""
    return caps(np.eye(d), -(-n // d), HEIGHT, seed)[:n]


STARTS: Mapping[str, Start] = MappingProxyType({"uniform": uniform, "caps": caps_round_axes})


def starting_points(start: str | Start, n: int, d: int, seed: int) -> Float[np.ndarray, "n d"]:
    """The first points of a cell: (n, d) unit rows.

    start: a function of (n, d, seed); ``"uniform"``; ``"caps"``, as in `caps_round_axes`; or the path of a .npy file
    of (n, d) points, the same for every seed, or of (count, n, d), of which a seed takes its own.
    Raises ValueError for another name, a file that cannot be read or does not fit, and points off the sphere.
    """
    if callable(start):
        points = np.asarray(start(n, d, seed), np.float64)
        origin = f"start {getattr(start, '__qualname__', start)}"
    elif start in STARTS:
        return STARTS[start](n, d, seed)
    else:
        points, origin = _from_file(start, seed), f"the start {start}"
    if points.shape != (n, d):
        raise ValueError(
            f"{origin} has points of shape {points.shape}, and the grid asks for n = {n}, d = {d}: make them agree"
        )
    if not np.all(np.abs(np.linalg.norm(points, axis=-1) - 1) <= UNIT_TOLERANCE):
        raise ValueError(f"{origin} has rows that are not of unit length: divide each row by its length")
    return normalise(points)


def _from_file(start: str, seed: int) -> Float[np.ndarray, "n d"]:
    if Path(start).suffix != ".npy":
        raise ValueError(
            f"start must be {', '.join(STARTS)} or the path of a .npy file of points, got {start!r}"
        )
    try:
        held = np.load(start, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot read points from {start} ({error}): write them with numpy.save, (n, d) or (count, n, d)"
        ) from error
    if held.ndim == 3 and seed < len(held):
        return np.asarray(held[seed], np.float64)
    if held.ndim != 2:
        raise ValueError(
            f"{start} must hold (n, d) points or (count, n, d) with count above seed {seed}, got {held.shape}"
        )
    return np.asarray(held, np.float64)
