"""The main job: theory and trained models run under the same roof, one NetCDF file a run."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

import probe
import sim
from probe.models import LoadedModel, load
from sim import Trajectory

TOKENS = 64
DIMENSION = 3
HIGH_DIMENSION = 16
UNTIL = 1000.0
DEPTHS = 49


@dataclass(frozen=True)
class Job:
    """One run to be made: its label, which also names its file, and what makes it."""

    label: str
    make: Callable[[], Trajectory]

    @property
    def stem(self) -> str:
        """The label as a file's name."""
        return re.sub(r"[^\w.+-]+", "-", self.label).strip("-").lower()


def save_times(until: float, depths: int) -> Float[np.ndarray, " depth"]:
    """0 and `depths` - 1 times evenly spaced in log t from 0.01 (or `until` / 100, if less) to `until`."""
    if not (np.isfinite(until) and until > 0 and depths >= 2):
        raise ValueError(f"need a positive end time and at least 2 depths, got {until} and {depths}")
    return np.concatenate([[0.0], np.geomspace(min(0.01, until / 100), until, depths - 1)])


def simulation_job(
    label: str,
    field: sim.Attention,
    start: Float[np.ndarray, "n d"],
    times: Float[np.ndarray, " depth"],
    seed: int,
    **options: Any,
) -> Job:
    """One run of the idealised dynamics, its attention kept; `options` are those of `sim.simulate`."""
    facts = {"seed": seed}
    return Job(label, lambda: sim.simulate(field, start, times, attention=True, provenance=facts, **options))


def theory_jobs(betas: Sequence[float], seed: int) -> list[Job]:
    """SA from the same uniform points on S^2, once for each beta, and the largest beta in 16 dimensions too.

    On S^2 the effective rank is at most 3, which leaves what the post gates by rank without a value.
    """
    times = save_times(UNTIL, DEPTHS)
    chosen = [(beta, DIMENSION) for beta in betas] + [(max(betas), HIGH_DIMENSION)]
    return [
        simulation_job(
            f"SA, beta {beta:g}, d {dimension}, seed {seed}",
            sim.Attention(float(beta)),
            sim.uniform(TOKENS, dimension, seed),
            times,
            seed,
        )
        for beta, dimension in chosen
    ]


def model_jobs(
    models: Iterable[str], texts: Mapping[str, str], revision: str | None = None, **options: Any
) -> Iterator[Job]:
    """Every model on every text, given by name; a model is loaded once, when its turn comes.

    `revision` is that of a hub id; `options` are those of `probe.extract`.
    """
    frame = options.get("frame", "raw")
    for model in models:
        loaded = load(model, revision=revision)

        for name, text in texts.items():

            def make(name: str = name, text: str = text, loaded: LoadedModel = loaded) -> Trajectory:
                return _with(probe.extract(loaded, text, **options), prompt=name)

            yield Job(f"{loaded.name}, {name}" + ("" if frame == "raw" else f", {frame}"), make)


def run(jobs: Iterable[Job], directory: Path) -> Iterator[Path]:
    """Make each job in turn, save it as `directory`/runs/STEM.nc, and yield the file's path.

    Raises ValueError, before it makes the second, for two jobs with one file.
    """
    made: dict[str, str] = {}
    for job in jobs:
        if job.stem in made:
            raise ValueError(
                f"{job.label!r} and {made[job.stem]!r} would be one file, {job.stem}.nc: give them other names or --out"
            )
        made[job.stem] = job.label
        path = directory / "runs" / f"{job.stem}.nc"
        _with(job.make(), label=job.label).save(path)
        yield path


def _with(trajectory: Trajectory, **facts: object) -> Trajectory:
    return replace(trajectory, provenance={**trajectory.provenance, **facts})
