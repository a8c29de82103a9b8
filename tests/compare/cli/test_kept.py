"""What a second call finds in its folder: models of one name, models that changed, files that are no runs."""

import shutil

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from compare.cli import main
from sim import Trajectory
from tests.helpers.saved_models import rewrite, save_small_bert


def run(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_small_bert(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "a" / "model")


def probe(model, out):
    run("probe", model, "--text", "cat sat mat cat", "--out", out)
    return {path.name: Trajectory.load(path) for path in (out / "runs").iterdir()}


def swap(folder):
    file = folder / "tokenizer.json"
    text = file.read_text()
    assert '"cat": 1' in text
    file.write_text(
        text.replace('"cat": 1', '"cat": 9').replace('"sat": 2', '"sat": 1').replace(": 9", ": 2")
    )


CHANGES = {
    "heads": lambda folder: rewrite(folder / "config.json", num_attention_heads=4),
    "activation": lambda folder: rewrite(folder / "config.json", hidden_act="relu"),
    "epsilon": lambda folder: rewrite(folder / "config.json", layer_norm_eps=0.5),
    "tokenizer": swap,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_of_a_model_that_was_changed_is_made_again(model, tmp_path, change):
    ((name, before),) = probe(model, tmp_path / "out").items()
    CHANGES[change](model)
    ((again, after),) = probe(model, tmp_path / "out").items()
    assert name == again
    assert after.provenance["weights"] == before.provenance["weights"]
    assert after.provenance["model_files"] != before.provenance["model_files"]
    assert np.abs(after.points - before.points).max() > 1e-6


def test_two_models_of_one_name_are_both_kept(model, tmp_path):
    out, other = tmp_path / "out", shutil.copytree(model, tmp_path / "b" / "model")
    rewrite(other / "config.json", layer_norm_eps=0.5)
    (first,) = probe(model, out)
    both = probe(other, out)
    assert len(both) == 2
    assert both[first].provenance["model"] == both[first].provenance["group"] == "model"
    (second,) = set(both) - {first}
    assert second == f"b-{first}"
    assert both[second].provenance["model"] == both[second].provenance["group"] == "b/model"
    assert set(probe(model, out)) == set(both)


@pytest.fixture
def with_foreign(tmp_path):
    """A folder with two files that are no runs among its runs."""
    runs = tmp_path / "out" / "runs"
    runs.mkdir(parents=True)
    xr.Dataset({"temperature": ("x", [1.0])}).to_netcdf(runs / "foreign.nc", engine="h5netcdf")
    (runs / "broken.nc").write_text("no NetCDF")
    return tmp_path / "out"


def warnings_of(result):
    return [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]


def test_the_study_goes_on_beside_files_that_are_no_runs(with_foreign, monkeypatch):
    monkeypatch.setattr("compare.cli.study._default_models", tuple)
    own = with_foreign / "runs" / "sa-beta-9-d-3-seed-0.nc"
    own.write_text("damaged, and a job's")
    before = {path.name: path.read_bytes() for path in (with_foreign / "runs").iterdir()}
    arguments = ("compare", "--group", "SA, beta 9, d 3", "--seeds", 1, "--draws", 19, "--out", with_foreign)
    for result in (run(*arguments), run("report", with_foreign, "--draws", 19)):
        lines = warnings_of(result)
        assert len(lines) == len(result.stderr.splitlines()) == 2
        assert "broken.nc" in lines[0]
        assert "foreign.nc" in lines[1]
        page = (with_foreign / "report.html").read_text(encoding="utf-8")
        assert "Left out, as it cannot be read" in page
        assert "foreign.nc" in page
    assert Trajectory.load(own).provenance["label"] == "SA, beta 9, d 3, seed 0"
    assert all(
        (with_foreign / "runs" / name).read_bytes() == before[name] for name in ("foreign.nc", "broken.nc")
    )
