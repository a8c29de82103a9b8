"""The main job: theory and trained models run under the same roof, one NetCDF file a run."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

import probe
import sim
from probe.models import LoadedModel, load
from sim import Trajectory

TOKENS = 64
DIMENSION = 3
UNTIL = 1000.0
DEPTHS = 49


@dataclass(frozen=True)
class Job:
    """One run to be made: its label, the stem of its file, and what makes it."""

    label: str
    stem: str
    make: Callable[[], Trajectory]


def save_times(until: float, depths: int) -> np.ndarray:
    """0 and `depths` - 1 times evenly spaced in log t from 0.01 (or `until` / 100, if less) to `until`."""
    if not (np.isfinite(until) and until > 0 and depths >= 2):
        raise ValueError(f"need a positive end time and at least 2 depths, got {until} and {depths}")
    return np.concatenate([[0.0], np.geomspace(min(0.01, until / 100), until, depths - 1)])


def simulation_job(
    label: str, stem: str, field: sim.Attention, start: Float[np.ndarray, "n d"], times: np.ndarray, seed: int
) -> Job:
    """One run of the idealised dynamics, its attention kept."""
    return Job(
        label, stem, lambda: sim.simulate(field, start, times, attention=True, provenance={"seed": seed})
    )


def theory_jobs(betas: Iterable[float], seed: int) -> Iterator[Job]:
    """SA from the same uniform points on S^2, once for each beta."""
    start = sim.uniform(TOKENS, DIMENSION, seed)
    times = save_times(UNTIL, DEPTHS)
    for beta in betas:
        yield simulation_job(
            f"SA, beta {beta:g}", f"sa-beta-{beta:g}", sim.Attention(beta), start, times, seed
        )


def model_jobs(
    models: Iterable[str],
    texts: Mapping[str, str],
    frame: str,
    attention: bool = True,
    revision: str | None = None,
) -> Iterator[Job]:
    """Every model on every text, given by name; a model is loaded once, when its turn comes."""
    for model in models:
        loaded = load(model, revision=revision)

        for name, text in texts.items():

            def make(text: str = text, name: str = name, loaded: LoadedModel = loaded) -> Trajectory:
                trajectory = probe.extract(loaded, text, frame=frame, attention=attention)
                return _with(trajectory, prompt=name)

            short = loaded.name.rsplit("/", 1)[-1]
            yield Job(f"{short}, {name}", f"{short}-{name}", make)


def _with(trajectory: Trajectory, **facts: object) -> Trajectory:
    return replace(trajectory, provenance={**trajectory.provenance, **facts})


def run(jobs: Iterable[Job], directory: Path) -> Iterator[Path]:
    """Make each job in turn, save it as `directory`/runs/STEM.nc, and yield the file's path."""
    for job in jobs:
        path = directory / "runs" / f"{job.stem}.nc"
        _with(job.make(), label=job.label).save(path)
        yield path
