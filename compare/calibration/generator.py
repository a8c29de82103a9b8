"""Generators of known truth, and the trajectories that the judge sees of their clouds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from compare.calibration.oracle import clustered_share, descent_share, plateau_share
from sim.sphere import normalise
from sim.trajectory import Trajectory

DEPTHS = (7, 9, 13)

Truth = bool | Literal["oracle"]


@dataclass(frozen=True)
class Shape:
    """How large a group is: runs, tokens of a run, depths of a run."""

    runs: int
    tokens: int
    depths: int


@dataclass(frozen=True)
class Clouds:
    """The runs of one group before they are rounded: what a generator returns.

    points: (run, depth, token, d), of any positive length; they are projected to the sphere. depth: (depth,),
    increasing. beta: (run,) inverse temperatures that the runs belong to. axis: ``"time"`` or ``"layer"``.
    facts: JSON values for the provenance of every run; own: the same for each run alone. tokens: their names,
    equal for copies of one word. attention: (run, depth, head, token, token) or None. dtype: "bfloat16", or
    "float64" for points that are not rounded, where a claim asks for more digits than half precision has.
    """

    points: Float[np.ndarray, "run depth token d"]
    depth: Float[np.ndarray, " depth"]
    beta: Float[np.ndarray, " run"]
    axis: Literal["time", "layer"] = "layer"
    facts: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[Mapping[str, Any], ...] = ()
    tokens: tuple[str, ...] | None = None
    attention: Float[np.ndarray, "run depth head token token"] | None = None
    dtype: Literal["bfloat16", "float64"] = "bfloat16"


Draw = Callable[[np.random.Generator, Shape], Clouds]


@dataclass(frozen=True)
class Generator:
    """A source of trajectories whose truth is known.

    name: of its row. meaning: what it makes, in a sentence. truth: hypothesis -> True (CONFIRMED is right), False
    (CONFIRMED is a false alarm) or ``"oracle"`` (decided for each group from its points before rounding); a
    hypothesis that is missing is not claimed either way. draw: (random, shape) -> the clouds of one group.
    """

    name: str
    meaning: str
    truth: Mapping[str, Truth]
    draw: Draw


def layers(depths: int) -> Float[np.ndarray, " depth"]:
    """The numbers of the layers, the embedding first."""
    return np.arange(depths, dtype=np.float64)


def moments(first: float, last: float, depths: int) -> Float[np.ndarray, " depth"]:
    """Time 0, and times evenly spaced in log t from `first` to `last`."""
    return np.concatenate([[0.0], np.geomspace(first, last, depths - 1)])


def rounded(points: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
    """Unit points as a model in half precision gives them: coordinates rounded to bfloat16, then made unit again."""
    bfloat16 = jnp.dtype(jnp.bfloat16)
    return normalise(normalise(points).astype(bfloat16).astype(np.float64))


def group(generator: Generator, seed: int, number: int, shape: Shape) -> list[Trajectory]:
    """The runs of group `number` of a generator: the same seed gives the same points, whatever else is drawn.

    The runs of a group share the dimension, the depths and, where it is no sweep, beta; their data are their own.
    Points are rounded as in `rounded`, or kept where the generator says so. The provenance holds ``generator``,
    ``seed``, ``number``, ``beta``, ``dtype``, and of the points before rounding ``oracle_plateau``, ``oracle_descent``
    and ``oracle_clustered`` (see `compare.calibration.oracle`).
    """
    random = np.random.default_rng([seed, number, crc32(generator.name.encode())])
    clouds = generator.draw(random, shape)
    own = clouds.own or ({},) * len(clouds.points)
    runs = []
    for run, points in enumerate(clouds.points):
        clean, beta = normalise(points), float(clouds.beta[run])
        facts = {
            "generator": generator.name,
            "label": f"{generator.name} {seed}.{number}.{run}",
            "seed": seed,
            "number": number,
            "dtype": clouds.dtype,
            "kind": "synthetic",
            "causal": False,
            "start": generator.name,
            "beta": beta,
            "oracle_plateau": plateau_share(clean, beta),
            "oracle_descent": descent_share(clean, beta),
            "oracle_clustered": clustered_share(clean, beta),
            **clouds.facts,
            **own[run],
        }
        attention = None if clouds.attention is None else clouds.attention[run]
        runs.append(
            Trajectory(
                rounded(clean) if clouds.dtype == "bfloat16" else clean,
                clouds.depth,
                axis=clouds.axis,
                tokens=clouds.tokens,
                attention=attention,
                provenance=facts,
            )
        )
    return runs
