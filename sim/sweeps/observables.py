"""What a sweep records of each cell, by name: numbers at the asked times, and numbers of the whole run."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sim import interaction_energy
from sim.sweeps import stepper
from sim.sweeps.stepper import Observations, Observe

RADIUS = 0.1


def mean_cosine(x: Float[Array, "n d"], beta: Float[Array, ""]) -> Observations:
    """Mean of <x_i, x_j> over pairs of different tokens."""
    del beta
    return {"mean_cosine": stepper.mean_cosine(x)}


def energy(x: Float[Array, "n d"], beta: Float[Array, ""]) -> Observations:
    """Interaction energy E1 at the cell's own beta."""
    return {"energy": interaction_energy.energy(x, beta)}


@dataclass(frozen=True)
class Clusters:
    """Number of groups of tokens that are joined by chains of angles of at most `radius`: single linkage, cut there."""

    radius: float

    def __call__(self, x: Float[Array, "n d"], beta: Float[Array, ""]) -> Observations:
        del beta
        n = len(x)
        near = x @ x.T >= jnp.cos(self.radius)

        def spread(state: tuple[Int[Array, " n"], Array]) -> tuple[Int[Array, " n"], Array]:
            labels, _ = state
            least = jnp.min(jnp.where(near, labels[None, :], n), axis=1)
            least = least[least]
            return least, jnp.any(least != labels)

        labels, _ = jax.lax.while_loop(lambda state: state[1], spread, (jnp.arange(n), jnp.asarray(True)))
        return {"clusters": jnp.sum(labels == jnp.arange(n)).astype(float)}


def mean_cosine_and_energy(x: Float[Array, "n d"], beta: Float[Array, ""]) -> Observations:
    """What `sweep` records where nothing else is asked: the mean cosine of two tokens, and E1 at the run's own beta."""
    return {**mean_cosine(x, beta), **energy(x, beta)}


MEANINGS = {
    "mean_cosine": "mean cosine of two tokens",
    "energy": "interaction energy E1 at the cell's own beta",
    "clusters": "clusters: groups joined by chains of angles of at most the radius",
    "collapse_time": f"time of collapse: first t with mean cosine >= {stepper.COLLAPSED:g}; NaN where later",
    "merger_log_time": "natural log of the time t of each merger, in order",
    "merger_pair": "the two clusters of each merger, numbered as in SciPy's linkage",
}
NAMES = ("mean_cosine", "energy", "clusters", "collapse_time", "mergers")


@dataclass(frozen=True)
class Asked:
    """What is asked for: functions of a state, and whether the time of collapse and the mergers are."""

    observe: tuple[Observe, ...]
    collapse: bool
    mergers: bool

    def describe(self) -> list[str]:
        """What is asked for, each of one's own functions with its source, so that a changed one is another."""
        named = [
            name for name, asked in (("collapse_time", self.collapse), ("mergers", self.mergers)) if asked
        ]
        return [_described(observe) for observe in self.observe] + named


def asked(observe: Any, radius: float = RADIUS) -> Asked:
    """Read what is to be observed: a name in `NAMES`, a function (x, beta) -> {name: number or vector}, or several.

    Raises ValueError for another name, a name twice, or a radius outside (0, pi).
    """
    parts = list(observe) if isinstance(observe, Sequence) and not isinstance(observe, str) else [observe]
    strange = [part for part in parts if not callable(part) and part not in NAMES]
    if strange or not parts:
        raise ValueError(f"observe must be of {', '.join(NAMES)} or functions (x, beta), got {observe!r}")
    if len(set(parts)) < len(parts):
        raise ValueError(f"observe must name each thing once, got {observe!r}")
    if not 0 < radius < jnp.pi:
        raise ValueError(f"radius is an angle between 0 and pi, got {radius}")
    timed: dict[str, Observe] = {
        "mean_cosine": mean_cosine,
        "energy": energy,
        "clusters": Clusters(float(radius)),
    }
    functions: tuple[Any, ...] = tuple(
        part if callable(part) else timed[part] for part in parts if callable(part) or part in timed
    )
    return Asked(functions, "collapse_time" in parts, "mergers" in parts)


def _described(observe: Callable[..., Any]) -> str:
    if isinstance(observe, Clusters):
        return f"clusters at radius {observe.radius!r}"
    name = f"{observe.__module__}.{getattr(observe, '__qualname__', repr(observe))}"
    if observe.__module__ == __name__:
        return name
    try:
        return f"{name}: {inspect.getsource(observe)}"
    except (OSError, TypeError):
        return name
