"""The report: every run of a folder, measured and drawn into one HTML file that needs nothing else."""

import base64
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from compare.criteria import Criterion, published_criteria
from compare.files import write_text
from compare.metrics import measure
from compare.metrics.across import across_texts
from compare.overlay import overlay
from compare.report import figures
from compare.report.spheres import spheres
from sim import Trajectory, energy

OVERLAY_BETAS = np.array([1.0, 4.0, 9.0])
SCHEMA = "metasphere/verdicts/1"
Progress = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Picture:
    """A drawn figure as the page embeds it."""

    title: str
    caption: str
    source: str


@dataclass(frozen=True)
class Run:
    """One trajectory, what was measured on it, and which of the post's criteria it meets."""

    label: str
    trajectory: Trajectory
    measured: xr.Dataset
    criteria: tuple[Criterion, ...]

    @property
    def is_model(self) -> bool:
        return self.trajectory.axis == "layer"


def draw(title: str, caption: str, paint: Callable[[Axes], Any]) -> Picture:
    """Run a drawing function on fresh axes and embed the result as SVG."""
    with mpl.rc_context(figures.STYLE):
        canvas = Canvas()
        paint(canvas.add_subplot())
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", dpi=130, metadata={"Date": None})
    return Picture(
        title, caption, "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    )


def load_runs(directory: Path, progress: Progress) -> tuple[Run, ...]:
    """Every NetCDF run under `directory`/runs, simulations first, each measured with the published preset."""
    paths = sorted((directory / "runs").glob("*.nc"))
    if not paths:
        raise ValueError(
            f"no runs in {directory / 'runs'}: make some with `metasphere compare --out {directory}`"
        )
    runs = []
    for path in progress(paths):
        trajectory = Trajectory.load(path)
        measured = _with_own_energy(measure(trajectory, preset="published"), trajectory)
        label = str(trajectory.provenance.get("label", path.stem))
        runs.append(Run(label, trajectory, measured, tuple(published_criteria(measured))))
    return tuple(
        sorted(runs, key=lambda run: (run.is_model, run.trajectory.provenance.get("beta", 0.0), run.label))
    )


def _with_own_energy(measured: xr.Dataset, trajectory: Trajectory) -> xr.Dataset:
    """E1 at the beta of the dynamics, where they have one."""
    beta = trajectory.provenance.get("beta")
    if beta is None:
        return measured
    values = np.asarray(energy(trajectory.points, beta, trajectory.masses))
    attributes = {
        "long_name": "energy at the run's own beta",
        "units": "1",
        "source": "2410.06833",
        "definition": "E1 = sum_ij m_i m_j exp(beta (<x_i, x_j> - 1)) at the beta of the simulation; 1 at consensus",
    }
    return measured.assign(own_energy=("depth", values, {**attributes, "beta": beta}))


def _pages(runs: Sequence[Run], progress: Progress) -> list[dict[str, Any]]:
    pages = []
    for number, run in enumerate(progress(runs)):
        pictures = [
            draw(
                figure.title,
                figure.caption,
                lambda axes, figure=figure, run=run: figure.draw(axes, run.measured),
            )
            for figure in figures.OF_A_RUN
            if figure.needs in run.measured
        ]
        drawn, share = spheres(run.trajectory)
        pages.append(
            {
                "anchor": f"run-{number}",
                "run": run,
                "pictures": pictures,
                "spheres": drawn,
                "share": share,
                "overlay": _overlay_pictures(run),
                "causal": bool(run.trajectory.provenance.get("causal", False)),
                "provenance": sorted(run.trajectory.provenance.items()),
                "definitions": [
                    (name, variable.attrs.get("long_name", name), variable.attrs.get("definition", ""))
                    for name, variable in run.measured.data_vars.items()
                ],
            }
        )
    return pages


def _overlay_pictures(run: Run) -> list[Picture]:
    if not run.is_model or run.trajectory.points.shape[1] < 2 or "scheme" not in run.trajectory.provenance:
        return []
    overlaid = overlay(run.trajectory, OVERLAY_BETAS)
    return [
        draw(
            f"beta {beta:g}",
            "",
            lambda axes, beta=beta: figures.theory_overlay(axes, overlaid, beta),
        )
        for beta in OVERLAY_BETAS
    ]


def _criteria_rows(runs: tuple[Run, ...]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for position, run in enumerate(runs):
        for criterion in run.criteria:
            row = rows.setdefault(
                (criterion.hypothesis, criterion.statement),
                {"criterion": criterion, "cells": [None] * len(runs)},
            )
            row["cells"][position] = criterion
    return list(rows.values())


def verdicts(runs: Iterable[Run]) -> dict[str, Any]:
    """The published criteria of every run, as JSON values: one row a criterion and run."""
    return {
        "schema": SCHEMA,
        "criteria": [
            {
                "run": run.label,
                **asdict(criterion),
                "value": criterion.value if np.isfinite(criterion.value) else None,
            }
            for run in runs
            for criterion in run.criteria
        ],
    }


def report(directory: str | Path, *, progress: Progress = list) -> Path:
    """Measure every run in `directory`/runs, then write `directory`/report.html and `directory`/verdicts.json.

    The page is one file: styles, figures and data are inside, nothing is fetched, all text that came from a prompt is
    escaped. `verdicts.json` has ``{"schema": ..., "criteria": [row, ...]}``, a row with the run's label and the fields
    of `compare.criteria.Criterion`; ``met`` is true, false or null (undefined on this run; ``reason`` says why), and
    ``value`` is null where there is none. `progress` wraps what is worked through, as tqdm does.

    Returns the path of the page. Raises ValueError where there are no runs, or one cannot be read.
    """
    directory = Path(directory)
    runs = load_runs(directory, progress)
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("compare.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    ).get_template("report.html.j2")
    page = template.render(
        pages=_pages(runs, progress),
        across=across_texts(run.measured for run in runs if run.is_model),
        runs=runs,
        rows=_criteria_rows(runs),
        tally=[sum(criterion.met is True for criterion in run.criteria) for run in runs],
    )
    rows = json.dumps(verdicts(runs), indent=1, sort_keys=True, allow_nan=False)
    write_text(directory / "verdicts.json", rows + "\n")
    path = directory / "report.html"
    write_text(path, page)
    return path
