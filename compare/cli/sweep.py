"""The command that runs a grid of simulations into a store, and draws it."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from compare.cli.grid_file import read_grid, shipped
from compare.cli.group import AS_JSON, OUT, QUIET, is_quiet, main, say
from compare.files import output_directory
from compare.plot import collapse_times
from compare.plot.figure import draw
from sim.sweeps.estimate import Estimate, estimate
from sim.sweeps.store import readable, require_room
from sim.sweeps.sweep import cores, run

OWN = {"collapse_speed": collapse_times}
"""Shipped grid -> the module that draws it with its closed forms, and says what it found."""


@main.command(epilog=f"Grids that are there: {', '.join(shipped())}.")
@click.argument("grid")
@OUT
@click.option("--plot", is_flag=True, help="Draw OUT/sweeps/GRID.png too.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and write nothing.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Threads, or array jobs, at once.  [default: all cores]"
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler, such as tcp://host:8786; slurm or local: array jobs through submitit.",
)
@AS_JSON
@QUIET
def sweep(
    grid: str,
    out: Path,
    plot: bool,
    dry_run: bool,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Simulate every cell of GRID, a TOML file or a name, into the store OUT/sweeps/GRID.zarr.

    GRID holds lists beta, d, n and may hold kind, causal, norm, clock, start, seed (or seeds, how many); until and
    depths, or times; observe, of mean_cosine, energy, clusters (at a radius), collapse_time, mergers. Interrupted in
    any way, the same command goes on where it was. Meanwhile xarray.open_zarr reads the store.
    """
    plan = read_grid(grid)
    path = out / "sweeps" / f"{Path(grid).stem}.zarr"
    if dry_run:
        require_room(plan, path)
        cost, workers = estimate(plan), workers or cores()
        told = {**asdict(cost), "workers": workers, "seconds": cost.seconds(workers)}
        if as_json:
            click.echo(json.dumps(told, indent=1))
        else:
            say("\n".join(_told(cost, workers)))
        return
    output_directory(out)
    table = run(plan, path, workers, scheduler, progress=not is_quiet())
    own, files, said = OWN.get(grid) if plot else None, [path], []
    if plot:
        said = [own.finding(table)] if own else []
        files.append((own.draw if own else draw)(table, path.with_suffix(".png")))
    if as_json:
        sizes = {str(name): size for name, size in table.sizes.items()}
        told = {"cells": plan.cells, "sizes": sizes, "finding": said, "files": list(map(str, files))}
        click.echo(json.dumps(told, indent=1))
        return
    say(f"{plan.cells:,} cells: {', '.join(f'{name} {size}' for name, size in table.sizes.items())}")
    say("\n".join([*said, *(f"wrote {file}" for file in files)]))


def _told(cost: Estimate, workers: int) -> list[str]:
    classes = f"{cost.classes} shape classes" if cost.classes > 1 else "1 shape class"
    return [
        f"{cost.cells:,} cells in {classes}",
        f"memory: {readable(cost.table_bytes)} for the table on disk, before compression; "
        f"{readable(cost.worker_bytes)} for each of {workers} workers at work",
        f"estimated time: {_duration(cost.seconds(workers))}, {_duration(cost.compiling)} of it compiling, on "
        f"{workers} cores of this machine (from one cell of {cost.tried} of the classes)",
    ]


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
