"""Groups of measured runs, and what a hypothesis requires of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from compare.judging.evidence import NotApplicable
from compare.judging.reach import COARSE, Search
from compare.metrics.calibrated.held_out import HeldOut
from compare.metrics.calibrated.whitening import held_out_of_group
from compare.metrics.exclusions import Exclusions, apply, recorded
from compare.statistics import stouffer
from sim.trajectory import Trajectory

Thresholds = Mapping[str, Any]
"""A value for each threshold of a hypothesis, by name; ``"variant"`` names one of the data set's variants."""

KINDS = ("SA", "USA")


@dataclass(frozen=True)
class MeasuredRun:
    """One trajectory without its attention, and what ``measure(preset="calibrated")`` found on it.

    facts: the trajectory's provenance. read: gives the trajectory, where it is asked for. planted: what was measured on
    the points with clusters in them, by name, at the base thresholds alone; where it is given, indexing reads it and
    nothing else, while `measured` and the points stay those of the run.
    """

    label: str
    facts: Mapping[str, Any]
    measured: xr.Dataset
    read: Callable[[], Trajectory]
    planted: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, label: str, trajectory: Trajectory, measured: xr.Dataset) -> "MeasuredRun":
        """The run of a trajectory that is in memory."""
        return cls(label, trajectory.provenance, measured, partial(_itself, trajectory))

    @cached_property
    def trajectory(self) -> Trajectory:
        return self.read()

    @property
    def axis(self) -> str:
        """``"time"`` or ``"layer"``."""
        return str(self.measured.attrs["axis"])

    @cached_property
    def beta(self) -> float:
        """Of a simulation what it was run at, of a model beta_eff; NaN where neither is known."""
        given = self.facts.get("beta")
        return float(self.measured.attrs.get("beta", np.nan) if given is None else given)

    @cached_property
    def exclusions(self) -> Exclusions:
        """What was left out before it was measured."""
        return recorded(self.measured)

    @property
    def kept(self) -> Bool[np.ndarray, " token"]:
        """Tokens that the statistics use."""
        return self.exclusions.kept

    @cached_property
    def points(self) -> Float[np.ndarray, "depth kept dim"]:
        """The points of those tokens, as they were measured: without rogue coordinates."""
        return apply(self.trajectory, self.exclusions)

    @property
    def own_points(self) -> Float[np.ndarray, "depth kept dim"]:
        """The same in the coordinates as they are, where all of them together are of length 1."""
        return self.trajectory.points[:, self.kept][:, :, self.coordinates]

    @property
    def coordinates(self) -> Int[np.ndarray, " dim"]:
        """Places of the coordinates that are not rogue."""
        return np.setdiff1d(np.arange(self.trajectory.points.shape[2]), self.exclusions.rogue)

    @cached_property
    def times(self) -> Float[np.ndarray, " depth"]:
        """Times on the axis "time", or indices of layers; e^depth where the depths are logarithms of times."""
        depth = self.trajectory.depth
        return np.exp(depth) if self.facts.get("depth") == "log t" else depth

    @property
    def clock(self) -> Float[np.ndarray, " depth"]:
        """Times of a simulation in units of SA, or of USA with the rates e^(beta (cos - 1))/n."""
        return self.times * (np.exp(self.beta) if self.facts.get("clock") == "survey" else 1.0)

    @property
    def is_theory(self) -> bool:
        """A simulation of SA or USA with Q = K = V = 1 on the unit sphere."""
        plain = not self.facts.get("operators") and self.facts.get("value", 1.0) == 1.0
        return (
            self.facts.get("kind") in KINDS
            and self.axis == "time"
            and self.facts.get("norm", "post") == "post"
            and plain
            and bool(np.isfinite(self.beta))
        )

    @property
    def is_control(self) -> bool:
        return is_control(self.facts)

    def number(self, name: str, at: Thresholds | None = None) -> float:
        """A variable without dimensions, or with that of the variants alone: the base one unless another is named."""
        values = self[name]
        if values.ndim:
            wanted = (at or {}).get("variant")
            values = values[0 if wanted is None else self.variants.index(wanted)]
        return float(values)

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of a measured variable."""
        if name not in self._values:
            self._values[name] = np.asarray((self.measured if self.planted is None else self.planted)[name])
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def variants(self) -> list[str]:
        """Names of the changed thresholds under which effects were measured too, the base first."""
        if self.planted is not None:
            return ["base"]
        return [str(name) for name in self["variant"]] if "variant" in self.measured.coords else []


@dataclass(frozen=True)
class Group:
    """Runs that are judged together.

    controls: the runs that each of them is paired with, by kind of control. tables: what is known of the models
    themselves, by the name of the model and that of the table. search: how it is sought what would be seen in the runs.
    """

    name: str
    runs: tuple[MeasuredRun, ...]
    controls: Mapping[str, tuple[tuple[MeasuredRun, ...], ...]] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, xr.Dataset]] = field(default_factory=dict)
    search: Search = COARSE

    @property
    def betas(self) -> Float[np.ndarray, " beta"]:
        """The different beta that simulations were run at."""
        given = [run.facts["beta"] for run in self.runs if run.facts.get("beta") is not None]
        return np.unique(np.asarray(given, np.float64))

    @cached_property
    def held_out(self) -> HeldOut | None:
        """Held-out margins of all runs, each whitened by the others, as arrays (run, p, held_out_depth, clusters).

        Coordinates that are rogue in one of the runs are left out of all. None for a single run, and where the runs
        have not the same dimension.
        """
        if not self.is_alike:
            return None
        runs = [apply(run.trajectory, run.exclusions._replace(rogue=self.rogue)) for run in self.runs]
        return held_out_of_group(runs, self.seed)

    @cached_property
    def planted(self) -> dict[Any, Any]:
        """What is kept of clusters and falls that were planted in these runs, until `let_go`."""
        return {}

    @property
    def is_alike(self) -> bool:
        """Whether there are several runs, in the same coordinates."""
        return len(self.runs) > 1 and len({run.trajectory.points.shape[2] for run in self.runs}) == 1

    @property
    def rogue(self) -> Int[np.ndarray, " coordinate"]:
        """The coordinates that are rogue in one of the runs."""
        return np.unique(np.concatenate([run.exclusions.rogue for run in self.runs]))

    def let_go(self) -> None:
        """Forget what was planted, which knows its group, and copies of points: of many groups they fill memory.

        They are made again where they are asked for.
        """
        self.planted.clear()
        for run in self.runs:
            run.__dict__.pop("points", None)

    @property
    def seed(self) -> int:
        """Of the measurements."""
        return int(self.runs[0].measured.attrs.get("seed", 0))


def _itself(trajectory: Trajectory) -> Trajectory:
    return trajectory


def is_control(facts: Mapping[str, Any]) -> bool:
    """Whether a provenance is that of a model with random weights or changed tokens."""
    return facts.get("init", "trained") != "trained" or facts.get("control") is not None


def require_runs(runs: tuple[MeasuredRun, ...], at: Thresholds, what: str = "") -> tuple[MeasuredRun, ...]:
    """The runs, where there are enough of them for an interval over prompts or seeds."""
    if len(runs) < at["runs"]:
        raise NotApplicable(f"needs at least {at['runs']} prompts or seeds{what}, got {len(runs)}")
    return runs


def require_dynamics(group: Group, at: Thresholds) -> tuple[MeasuredRun, ...]:
    """Enough runs, of enough depths and tokens, whose depth order matters.

    The gate is Stouffer's combination of the runs' statistics against permutations of depth: static clouds with
    noise, and unrelated clouds, do not pass it.
    """
    runs = require_runs(group.runs, at)
    depths = min(run.measured.sizes["depth"] for run in runs)
    if depths < at["depths"]:
        raise NotApplicable(f"needs at least {at['depths']} depths, got {depths}")
    p = stouffer([run.number("gate_z") for run in runs])
    if not p <= at["gate"]:
        raise NotApplicable(
            f"no dynamics: the order of depth carries no information (p = {p:.2g}, above {at['gate']:g}), "
            "as for a static cloud with noise or for unrelated clouds"
        )
    return runs


def require_tokens(group: Group, at: Thresholds) -> tuple[MeasuredRun, ...]:
    """Enough runs with enough different tokens, special ones and sinks left out."""
    runs = tuple(run for run in group.runs if run.kept.sum() >= at["tokens"])
    return require_runs(runs, at, f" with {at['tokens']} different tokens or more")


def require_theory(group: Group, at: Thresholds, causal: bool | None = None) -> tuple[MeasuredRun, ...]:
    """Enough runs of the idealised dynamics, with or without a causal mask, or either where None."""
    runs = tuple(
        run
        for run in group.runs
        if run.is_theory and (causal is None or bool(run.facts.get("causal")) == causal)
    )
    if not runs:
        mask = {None: "", True: " with a causal mask", False: " without a mask"}[causal]
        raise NotApplicable(f"predicted for SA and USA with Q = K = V = 1{mask} only, and no run is one")
    return require_runs(runs, at, " of the idealised dynamics")


def finite(
    runs: tuple[MeasuredRun, ...], number: Callable[[MeasuredRun], float], at: Thresholds, what: str
) -> tuple[tuple[MeasuredRun, ...], Float[np.ndarray, " run"]]:
    """The runs for which the number exists, and the numbers; `what` completes "runs ..." where they are too few."""
    values = np.array([number(run) for run in runs], np.float64)
    good = np.isfinite(values)
    chosen = tuple(run for run, fine in zip(runs, good) if fine)
    return require_runs(chosen, at, what), values[good]


def labels(runs: tuple[MeasuredRun, ...]) -> tuple[str, ...]:
    return tuple(run.label for run in runs)
