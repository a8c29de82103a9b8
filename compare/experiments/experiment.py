"""What an experiment is: a question, a table of numbers that answers it, and the figure of the table."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from compare.plotting import save_figure
from sim.files import write_netcdf


@dataclass(frozen=True)
class Experiment:
    """One experiment that `metasphere experiment NAME` runs.

    name: of its module, on the command line, and of its files. place: in lists, the theory before trained models.
    question: what it asks, in one sentence. source: paper and theorem, or open question. run: (seed, quick) -> a
    labelled table whose attribute ``finding`` says in one sentence, made from the numbers, what was found; quick ones
    take under 20 s and stay meaningful. draw: table -> figure, from the table alone.
    """

    name: str
    place: int
    question: str
    source: str
    run: Callable[[int, bool], xr.Dataset]
    draw: Callable[[xr.Dataset], Figure]


def perform(experiment: Experiment, directory: Path, seed: int, quick: bool) -> str:
    """Run an experiment, write `directory`/experiments/NAME.nc and NAME.png, and return its finding."""
    table = experiment.run(seed, quick)
    provenance = {
        "versions": {package: version(package) for package in ("metasphere", "jax", "numpy")},
        "seed": seed,
        "quick": quick,
        "command": f"metasphere experiment {experiment.name} --seed {seed}" + (" --quick" if quick else ""),
    }
    table = table.assign_attrs(
        experiment=experiment.name,
        question=experiment.question,
        source=experiment.source,
        provenance=json.dumps(provenance, sort_keys=True),
    )
    folder = directory / "experiments"
    write_netcdf(folder / f"{experiment.name}.nc", table)
    save_figure(folder / f"{experiment.name}.png", lambda: experiment.draw(table))
    return str(table.attrs["finding"])
