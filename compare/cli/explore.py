"""The command that writes the explorer's page."""

from pathlib import Path

import click

from compare.cli.group import QUIET, bar, main, say
from compare.files import output_directory
from compare.reporting.explorer import explore as write_explorer


@main.command()
@click.argument("directory", type=Path)
@click.option(
    "--run",
    "runs",
    multiple=True,
    help="Only this run, by its label or file; repeatable. Else some of every group.",
)
@QUIET
def explore(directory: Path, runs: tuple[str, ...]) -> None:
    """Write DIRECTORY/explore.html: two of its runs side by side, dragged through depth, and a live simulator.

    One file that needs nothing else and asks no network. Every report writes it anew, with some runs of every group.
    """
    if not directory.is_dir():
        raise ValueError(f"no folder {directory}: give the --out of an earlier command")
    found = write_explorer(output_directory(directory), runs, bar)
    size = found.page.stat().st_size / 1e6
    rest = "" if runs or len(found.included) == found.total else "; --run NAME chooses others"
    say(f"wrote {found.page} ({size:.1f} MB): {len(found.included)} of {found.total} runs{rest}")
