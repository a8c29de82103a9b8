"""One run to be made, as plain data: it can be sent to another process, and it says whether a file is its result."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

import probe
import sim
from compare.files import code_digest
from compare.study.times import even_log_times, save_times
from probe.dynamics import layer_by_layer
from probe.loading import LoadedModel, load
from sim import Trajectory

CAP_HEIGHT = 0.003


@dataclass(frozen=True)
class Job:
    """One run: its label, which also names its file, the group that it is judged with, and how it is made.

    instrument: a name in `INSTRUMENTS`. settings: its arguments, JSON values. facts: kept with the run's provenance.
    """

    label: str
    group: str
    instrument: str
    settings: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The label as a file's name."""
        return re.sub(r"[^\w.+-]+", "-", self.label).strip("-").lower()

    @property
    def key(self) -> str:
        """Digest of everything that the run depends on: its settings, and the code that makes it."""
        said = [self.label, self.group, self.instrument, dict(self.settings), dict(self.facts)]
        text = json.dumps(said, sort_keys=True) + code_digest("sim", "probe")
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def make(self) -> Trajectory:
        """The run itself; label, group, key and facts are in its provenance. Raises what its instrument raises."""
        return self.result(INSTRUMENTS[self.instrument](**self.settings))

    def result(self, made: Trajectory) -> Trajectory:
        """A trajectory that is the result of this job, saying so."""
        facts = {**self.facts, "label": self.label, "group": self.group, "job": self.key}
        return replace(made, provenance={**made.provenance, **facts})


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


def _simulated(
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


def _coalesced(
    *, kind: str, beta: float, start: str, tokens: int, dimension: int, depths: int, seed: int
) -> Trajectory:
    """Idealised attention to the last merger, on an even grid of log t."""
    points = starting_points(start, tokens, dimension, seed)
    whole = sim.coalesce(sim.Attention(beta, kind), points)
    made = whole.trajectory(even_log_times(whole, depths))
    return replace(made, provenance={**made.provenance, "seed": seed, "start": start, "causal": False})


@lru_cache(maxsize=1)
def _loaded(model: str, revision: str | None) -> LoadedModel:
    """Kept for the runs of one model, which follow each other."""
    return load(model, revision=revision)


def _extracted(
    *, model: str, text: str, revision: str | None = None, other_mask: bool = False, **options: Any
) -> Trajectory:
    """A text read through a model, under the mask that the model does not have where `other_mask`."""
    loaded = _loaded(model, revision)
    causal = not loaded.family.causal(loaded.model.config) if other_mask else None
    return probe.extract(loaded, text, causal=causal, **options)


def _learned(*, model: str, text: str, revision: str | None = None, **options: Any) -> Trajectory:
    """A text through the attention and the norms of a model alone, its feed-forward parts writing nothing."""
    return layer_by_layer(_loaded(model, revision), text, **options)


INSTRUMENTS: Mapping[str, Callable[..., Trajectory]] = MappingProxyType(
    {"simulate": _simulated, "coalesce": _coalesced, "extract": _extracted, "layer_by_layer": _learned}
)
