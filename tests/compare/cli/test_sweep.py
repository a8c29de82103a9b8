"""The command that runs a grid: strict files, a store that goes on, a dry run, a figure."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from compare.cli import main
from compare.cli.grid_file import read_grid, shipped

TEXT = "beta = [1, 4]\nd = 3\nn = 5\nuntil = 2.0\ndepths = 4\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words: CliRunner().invoke(main, list(map(str, words)))


def test_a_grid_is_run_drawn_and_gone_on_with(run, tmp_path):
    grid, store = tmp_path / "grid.toml", tmp_path / "out" / "sweeps" / "grid.zarr"
    grid.write_text(TEXT)
    made = run("sweep", grid, "--out", tmp_path / "out", "--plot")
    assert made.exit_code == 0, made.output
    assert "2 cells" in made.output
    with xr.open_zarr(store) as table:
        assert dict(table.sizes) == {"kind": 1, "n": 1, "d": 1, "beta": 2, "seed": 1, "time": 4}
        assert np.all(np.diff(table["energy"], axis=-1) > 0)
        assert json.loads(table.attrs["manifest"])["sweep"]["axes"]["beta"] == [1.0, 4.0]
    picture = store.with_suffix(".png")
    assert picture.stat().st_size > 10_000
    told = json.loads(run("sweep", grid, "--out", tmp_path / "out", "--json").stdout)
    assert (told["cells"], told["sizes"]["beta"], told["finding"]) == (2, 2, [])
    assert told["files"] == [str(store)]
    assert json.loads(run("sweep", grid, "--dry-run", "--workers", 2, "--json").stdout)["workers"] == 2
    before = {file: file.stat().st_mtime_ns for file in store.rglob("*")}
    assert run("sweep", grid, "--out", tmp_path / "out").exit_code == 0
    assert {file: file.stat().st_mtime_ns for file in store.rglob("*")} == before
    grid.write_text(TEXT + "rtol = 1e-6\n")
    refused(run("sweep", grid, "--out", tmp_path / "out"), "of other rtol")


def test_a_dry_run_tells_and_writes_nothing(run, tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text(
        TEXT.replace("beta = [1, 4]", f"beta = {np.linspace(0.5, 12, 100).tolist()}\nseeds = 1000")
    )
    told = run("sweep", grid, "--dry-run", "--out", tmp_path / "out", "--workers", 2)
    assert told.exit_code == 0, told.output
    assert "100,000 cells in 1 shape class" in told.output
    assert "memory" in told.output
    assert "estimated time" in told.output
    assert not (tmp_path / "out").exists()


def test_the_shipped_grid_of_collapse_times():
    assert shipped() == ["collapse_speed"]
    plan = read_grid("collapse_speed")
    assert plan.asked.collapse
    assert set(plan.axes["kind"]) == {"SA", "USA"}
    assert min(len(plan.axes[axis]) for axis in ("beta", "d", "n", "seed")) > 3


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("size = 3", "unknown key size"),
        ('causal = "no"', "true or false"),
        ("causal = 0", "true or false"),
        ("depths = 3.5", "whole number"),
        ("depths = 1", "at least 2"),
        ("until = true", "number"),
        ("seed = [true]", "whole"),
        ("seed = []", "no values"),
        ("seed = {a = 1}", "table"),
        ("rtol = '1'", "rtol must be a number"),
        ("max_steps = 1.0", "whole number"),
        ("observe = [1]", "names"),
        ("observe = 'entropy'", "mean_cosine"),
        ("times = [0, 1]", "leave one out"),
        ("start = 'points.npy'", "points.npy"),
    ],
)
def test_files_are_read_strictly(run, tmp_path, line, word):
    grid = tmp_path / "grid.toml"
    kept = [old for old in TEXT.splitlines() if old.split()[0] != line.split()[0]]
    grid.write_text("\n".join([*kept, line]))
    refused(run("sweep", grid, "--out", tmp_path / "out"), word)
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read(run, tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text("beta = [1, 4\n")
    refused(run("sweep", grid, "--out", tmp_path / "out"), "TOML")
    grid.write_text("beta = [true]\nd = 3\nn = 4\n")
    refused(run("sweep", grid, "--out", tmp_path / "out"), "beta must be numbers")
    refused(run("sweep", tmp_path / "none.toml", "--out", tmp_path / "out"), "collapse_speed")


def refused(result, word):
    assert result.exit_code == 2, result.output
    assert word in result.stderr
    assert result.stderr.count("\n") == 1
