"""`metasphere explore`: the page, what it says, and what is refused in one line."""

import numpy as np
import pytest
from click.testing import CliRunner

import compare
import sim
from compare.cli import main


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def folder(tmp_path):
    for seed in range(2):
        facts = {"label": f"SA, seed {seed}", "group": "SA"}
        points = np.stack([sim.uniform(8, 3, seed), sim.uniform(8, 3, seed + 5)])
        sim.Trajectory(points, [0.0, 1.0], provenance=facts).save(tmp_path / "runs" / f"sa-{seed}.nc")
    return tmp_path


def test_the_page_is_written_by_itself_and_with_the_report(folder):
    made = run("explore", folder, "--run", "SA, seed 1")
    assert made.exit_code == 0, made.output
    assert "1 of 2 runs" in made.stdout
    assert "SA, seed 1" in (folder / "explore.html").read_text("utf-8")
    assert "SA, seed 0" not in (folder / "explore.html").read_text("utf-8")
    (folder / "explore.html").unlink()
    assert 'href="explore.html"' in compare.report(folder, draws=3).read_text("utf-8")
    assert "SA, seed 0" in (folder / "explore.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("folder_name", "options", "words"),
    [("nowhere", (), "no folder"), ("empty", (), "no runs"), ("", ("--run", "SB"), "no run 'SB'")],
)
def test_refused(folder, folder_name, options, words):
    (folder / "empty").mkdir()
    result = run("explore", folder / folder_name, *options)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert words in line
    assert not list(folder.rglob("explore.html"))
