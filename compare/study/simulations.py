"""The runs that the theory makes: idealised attention from starts by name, to an end time or to the last merger."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float

import sim
from compare.study.times import close_log_times, even_log_times, save_times
from sim import Trajectory

CAP_HEIGHT = 0.003


def starting_points(start: str, tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    """First points by a name in `STARTS`. Raises ValueError for fewer than 2 dimensions, or too many tokens."""
    if dimension < 2:
        raise ValueError(f"the sphere needs at least 2 dimensions, got {dimension}")
    return STARTS[start](tokens, dimension, seed)


def _ring(tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    del seed
    return np.pad(sim.ring(tokens), ((0, 0), (0, dimension - 2)))


def _simplex(tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    del seed
    return sim.simplex(tokens, dimension)


def _caps(tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    """Caps round the axes, one for each dimension, of equal sizes to one token."""
    return sim.caps(np.eye(dimension), -(-tokens // dimension), CAP_HEIGHT, seed)[:tokens]


def _blob(tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    """One cap of an angle of one radian."""
    return sim.caps(np.eye(1, dimension), tokens, 1 - np.cos(1.0), seed)


STARTS: Mapping[str, Callable[[int, int, int], np.ndarray]] = MappingProxyType(
    {"uniform": sim.uniform, "ring": _ring, "simplex": _simplex, "caps": _caps, "blob": _blob}
)


def check_simulation(kind: str, beta: float, start: str, tokens: int, dimension: int, seed: int) -> None:
    """Raise the ValueError that a run would raise, before anything is written."""
    sim.Attention(beta, kind)
    starting_points(start, tokens, dimension, seed)


def simulated(
    *,
    kind: str,
    beta: float,
    start: str,
    tokens: int,
    dimension: int,
    until: float,
    depths: int,
    seed: int,
    causal: bool = False,
    repulsive: bool = False,
    max_steps: int = 100_000,
) -> Trajectory:
    """Idealised attention, with V = I or, where repulsive, V = -I."""
    field = sim.Attention(beta, kind, causal, value=-np.eye(dimension) if repulsive else None)
    return sim.simulate(
        field,
        starting_points(start, tokens, dimension, seed),
        save_times(until, depths),
        attention=True,
        max_steps=max_steps,
        provenance={"seed": seed, "start": start},
    )


def coalescence(
    *, kind: Literal["SA", "USA"], beta: float, start: str, tokens: int, dimension: int, seed: int
) -> sim.Coalescence:
    """Idealised attention through every merger."""
    points = starting_points(start, tokens, dimension, seed)
    return cast(sim.Coalescence, sim.coalesce(sim.Attention(beta, kind), points))


def recorded(whole: sim.Coalescence, depths: int | None, start: str, seed: int) -> Trajectory:
    """Its points on an even grid of log t; where `depths` is None, at times close round every merger."""
    times = close_log_times(whole) if depths is None else even_log_times(whole, depths)
    made = whole.trajectory(times)
    return replace(made, provenance={**made.provenance, "seed": seed, "start": start, "causal": False})


def coalesced(*, start: str, depths: int | None, seed: int, **settings: Any) -> Trajectory:
    """Idealised attention to the last merger."""
    return recorded(coalescence(start=start, seed=seed, **settings), depths, start, seed)
