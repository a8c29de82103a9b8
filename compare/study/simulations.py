"""The runs that the theory makes: idealised attention from starts by name, recorded evenly in log t."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

import sim
from sim import Trajectory

CAP_HEIGHT = 0.003
MOST_BYTES = 8 * 2**30


def starting_points(start: str, tokens: int, dimension: int, seed: int) -> Float[np.ndarray, "n d"]:
    """First points by a name in `STARTS`. Raises ValueError for fewer than 2 dimensions, or too many tokens."""
    if dimension < 2:
        raise ValueError(f"the sphere needs at least 2 dimensions, got {dimension}")
    require_memory(tokens, dimension, 1)
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


def save_times(until: float, depths: int) -> Float[np.ndarray, " depth"]:
    """0 and `depths` - 1 times evenly spaced in log t from 0.01 (or `until` / 100, if less) to `until`."""
    if not (np.isfinite(until) and until > 0 and depths >= 2):
        raise ValueError(
            f"until must be a time above 0 and depths at least 2, got until={until:g} and depths={depths}"
        )
    return np.concatenate([[0.0], np.geomspace(min(0.01, until / 100), until, depths - 1)])


def require_memory(tokens: int, dimension: int, depths: int) -> None:
    """Raise ValueError where points and pairs of tokens at all depths, twice, would take more than 8 GiB."""
    needed = 2 * 8 * depths * tokens * (dimension + tokens)
    if needed > MOST_BYTES:
        raise ValueError(
            f"{tokens} tokens in {dimension} dimensions at {depths} depths, with their attention, need about "
            f"{needed / 2**30:.3g} GiB, over {MOST_BYTES / 2**30:g}: ask for fewer, or take sim.simulate_mean_field"
        )


def check_simulation(
    kind: str, beta: float, start: str, tokens: int, dimension: int, seed: int, until: float, depths: int
) -> None:
    """Raise the ValueError that a run would raise, before anything is written."""
    sim.Attention(beta, kind)
    require_memory(tokens, dimension, depths)
    starting_points(start, tokens, dimension, seed)
    save_times(until, depths)


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
