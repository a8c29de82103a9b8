"""The command line: results where they belong, and one line with exit code 2 for what cannot be done."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import probe
import sim
from compare.calibration import calibrate
from compare.cli import main
from compare.experiments import EXPERIMENTS
from compare.judging.registry import HYPOTHESES
from tests.helpers.small_models import saved, small_model, word_tokenizer


@pytest.fixture
def run():
    def call(*arguments):
        return CliRunner().invoke(main, list(map(str, arguments)))

    return call


def refused(result, *words):
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line


def test_simulate_then_report(run, tmp_path):
    made = run(
        "simulate", "--beta", 4, "--tokens", 5, "--until", 5, "--depths", 6, "--out", tmp_path, "--seed", 3
    )
    assert made.exit_code == 0, made.output
    (path,) = (tmp_path / "runs").iterdir()
    trajectory = sim.Trajectory.load(path)
    assert trajectory.provenance["beta"] == 4
    assert trajectory.provenance["seed"] == 3
    assert trajectory.provenance["start"] == "uniform"
    np.testing.assert_allclose(trajectory.points[0], sim.uniform(5, 3, 3), rtol=0, atol=4e-16)
    asked = ("--beta", 4, "--tokens", 5, "--until", 5, "--depths", 6, "--out", tmp_path, "--seed", 3)
    assert json.loads(run("simulate", *asked, "--json", "--quiet").stdout) == {"files": [str(path)]}
    assert run("simulate", *asked, "-q").output == ""
    assert "wrote" in run("simulate", *asked).output
    twice = run("report", tmp_path, "--json", "--draws", 19, "--hypothesis", "H4", "--hypothesis", "H4")
    assert [row["hypothesis"] for row in json.loads(twice.stdout)["rows"]] == ["H4"]
    reported = run("report", tmp_path, "--json", "--draws", 19)
    assert reported.exit_code == 0, reported.output
    verdicts = json.loads(reported.stdout, parse_constant=pytest.fail)  # no bare NaN: strict JSON
    assert verdicts == json.loads((tmp_path / "verdicts.json").read_text())
    assert {row["verdict"] for row in verdicts["rows"]} == {"NOT APPLICABLE"}  # a single run
    assert (tmp_path / "report.html").is_file()


def test_same_seed_same_file(run, tmp_path):
    for folder in ("a", "b"):
        run("simulate", "--tokens", 5, "--until", 2, "--depths", 3, "--out", tmp_path / folder)
    first, second = (next((tmp_path / folder / "runs").iterdir()) for folder in ("a", "b"))
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_coalesce_draws_the_tree(run, tmp_path):
    made = run("coalesce", "--beta", 1000, "--tokens", 5, "--out", tmp_path)
    assert made.exit_code == 0, made.output
    assert made.output.count("log t =") == 4
    (picture,) = (tmp_path / "mergers").iterdir()
    assert picture.read_bytes().startswith(b"\x89PNG")
    (path,) = (tmp_path / "runs").iterdir()
    last = sim.Trajectory.load(path).points[-1]
    np.testing.assert_allclose(last, last[:1].repeat(5, 0), atol=1e-12)


def test_mergers_as_json(run, tmp_path):
    made = run("coalesce", "--beta", 1000, "--tokens", 5, "--out", tmp_path, "--json")
    said = json.loads(made.stdout, parse_constant=pytest.fail)
    found = sim.coalesce(sim.Attention(1000.0), sim.uniform(5, 3, seed=0))
    assert [one["log_time"] for one in said["mergers"]] == found.log_times.tolist()
    assert [one["pair"] for one in said["mergers"]] == found.pairs.tolist()
    assert [one["mass"] for one in said["mergers"]] == found.masses.tolist()
    assert said["ending"] == "complete"
    assert all(Path(file).is_file() for file in said["files"])


def test_findings_of_experiments_as_json(run, tmp_path, monkeypatch):
    monkeypatch.setattr("compare.cli.theory.perform", lambda experiment, *_: f"found of {experiment.name}")
    (said,) = json.loads(run("experiment", "levels", "--out", tmp_path, "--json").stdout)
    assert said["finding"] == "found of levels"
    assert said["question"] == EXPERIMENTS["levels"].question
    assert [Path(file).name for file in said["files"]] == ["levels.nc", "levels.png"]


@pytest.mark.parametrize("beta", ["-1", "nan", "inf"])
def test_bad_beta(run, tmp_path, beta):
    refused(run("simulate", f"--beta={beta}", "--out", tmp_path / "new"), "beta", beta)
    assert not (tmp_path / "new").exists()


def test_zero_beta_is_the_consensus_flow(run, tmp_path):
    made = run("simulate", "--beta", 0, "--tokens", 5, "--until", 3, "--depths", 3, "--out", tmp_path)
    assert made.exit_code == 0, made.output


@pytest.mark.parametrize("start", ["uniform", "ring", "simplex"])
def test_bad_dimension(run, tmp_path, start):
    refused(run("simulate", "--dimension", 1, "--start", start, "--out", tmp_path / "new"), "2 dimensions")
    assert not (tmp_path / "new").exists()


def test_words_that_are_no_numbers(run, tmp_path):
    refused(run("simulate", "--beta", "warm", "--out", tmp_path), "--beta", "warm")
    refused(run("simulte"), "simulte")


def test_everything_is_checked_before_anything_is_run(run, tmp_path):
    refused(run("compare", "--beta", 1, "--beta=-1", "--out", tmp_path / "a"), "beta")
    refused(run("compare", "--model", "./nope", "--out", tmp_path / "b"), "no folder")
    refused(
        run("compare", "--model", "minilm", "--group", "nobody", "--out", tmp_path / "c"), "no group 'nobody'"
    )
    assert not list(tmp_path.iterdir())


def test_steps_run_out(run, tmp_path):
    refused(run("simulate", "--tokens", 5, "--max-steps", 3, "--out", tmp_path), "max_steps")
    assert not list(tmp_path.rglob("*.nc"))


def test_runs_that_differ_have_different_names(run, tmp_path, monkeypatch):
    names = []

    def keep(job, directory):
        names.append(job.stem)
        return directory

    monkeypatch.setattr("compare.study.plan.run", keep)
    asked = ("--tokens", 4, "--depths", 3, "--out", tmp_path)
    for more in (
        ("--until", 3),
        ("--until", 4),
        ("--until", 3, "--beta", 9.0000001),
        ("--until", 3, "--depths", 4),
        ("--until", 3, "--max-steps", 999),
        ("--until", 3, "--causal"),
        ("--until", 3, "--repulsive"),
    ):
        assert run("simulate", *asked, *more).exit_code == 0
    for more in ((), ("--max-tokens", 3), ("--no-attention",), ("--frame", "layernorm")):
        assert run("probe", "bert-128", "--text", "tokens do meet", "--out", tmp_path, *more).exit_code == 0
    assert len(set(names)) == 11, names


def test_two_texts_of_one_name_are_two_runs(run, tmp_path):
    for folder, text in (("a", "One text."), ("b", "Another text.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(text)
        run("probe", "minilm", "--file", tmp_path / folder / "x.txt", "--out", tmp_path / "out")
    run(
        "probe",
        "minilm",
        "--file",
        tmp_path / "a" / "x.txt",
        "--frame",
        "layernorm",
        "--out",
        tmp_path / "out",
    )
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 3


def test_out_is_a_file(run, tmp_path):
    (tmp_path / "file").write_text("kept")
    refused(run("simulate", "--tokens", 5, "--out", tmp_path / "file"), "is a file")
    assert (tmp_path / "file").read_text() == "kept"


def test_out_is_read_only(run, tmp_path, monkeypatch):
    """Root may write anywhere, so the refusal of the system is played."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("compare.files.tempfile.TemporaryFile", refuse)
    refused(run("simulate", "--tokens", 5, "--out", tmp_path), "cannot write", "Permission denied")


def test_report_of_nothing(run, tmp_path):
    refused(run("report", tmp_path / "missing"), "no folder")
    refused(run("report", tmp_path), "no runs")


@pytest.mark.parametrize("damage", ["cut", "schema", "text"])
def test_report_of_a_damaged_run(run, tmp_path, damage):
    run("simulate", "--tokens", 5, "--until", 1, "--depths", 2, "--out", tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    if damage == "cut":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif damage == "schema":
        import h5py

        with h5py.File(path, "a") as opened:
            opened.attrs["schema"] = "something/else/9"
    else:
        path.write_text("not a file of ours")
    refused(run("report", tmp_path), path.name)
    assert not (tmp_path / "report.html").exists()


def test_unknown_prompt_and_missing_file(run, tmp_path):
    refused(run("probe", "minilm", "--prompt", "nowhere", "--out", tmp_path), "no prompt 'nowhere'")
    refused(run("probe", "minilm", "--file", tmp_path / "none.txt", "--out", tmp_path), "cannot read")
    refused(
        run("probe", "minilm", "--text", "a", "--prompt", "tides", "--out", tmp_path), "more than one text"
    )


def test_unknown_model(run, tmp_path):
    refused(run("probe", "./no/such/folder", "--out", tmp_path), "no folder")
    assert not list(tmp_path.rglob("*.nc"))


def test_lists(run):
    assert [row["name"] for row in json.loads(run("models", "--json").stdout)] == list(probe.models())
    assert [row["name"] for row in json.loads(run("prompts", "--json").stdout)] == list(probe.prompts())
    assert "minilm" in run("models").stdout


def test_hypotheses(run):
    rows = json.loads(run("hypotheses", "--json").stdout, parse_constant=pytest.fail)
    assert [row["id"] for row in rows] == list(HYPOTHESES)
    assert all(row["refuted_by"] and row["thresholds"] for row in rows)
    text = " ".join(run("hypotheses").stdout.split())
    for name, one in HYPOTHESES.items():
        assert name in text
        for threshold in one.thresholds:
            assert f"{threshold.name} {threshold.value:g}" in text
            assert f": {' '.join(threshold.meaning.split())}" in text


def test_a_calibration_is_printed_as_text_or_json(run, tmp_path, monkeypatch):
    table = calibrate(tmp_path, groups=2, size=2, draws=3, names=["iid"])
    monkeypatch.setattr("compare.cli.study.calibration", lambda *arguments: (table, table))
    first, second = json.loads(
        run("calibrate", "--json", "--out", tmp_path).stdout, parse_constant=pytest.fail
    )
    assert first == second
    assert {row["generator"] for row in first["counts"]} == {"iid"}
    text = run("calibrate", "--out", tmp_path).stdout
    assert text.count("refuted") == 2 * sum(row["claim"] == "refuted" for row in first["rows"])


def test_a_calibration_is_shown_beside_the_runs(run, tmp_path):
    calibrate(tmp_path / "calibration", groups=2, size=2, draws=3, names=["iid"])
    run("simulate", "--tokens", 8, "--until", 1, "--depths", 7, "--out", tmp_path)
    run("report", tmp_path, "--draws", 19)
    assert 'href="report/calibration.html"' in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<code>iid</code>" in (tmp_path / "report" / "calibration.html").read_text(encoding="utf-8")
    assert "--quick" in run("calibrate", "--help").stdout


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    """A folder with an untrained GPT-2 of 40 words."""
    words = [f"w{number}" for number in range(1, 41)]
    model = small_model("gpt2", head=True, vocab_size=41, num_hidden_layers=6, max_position_embeddings=48)
    return saved(tmp_path_factory.mktemp("cli") / "small", model, word_tokenizer(words))


def test_main_job(run, tmp_path, small_folder):
    """Theory, a transformer, its controls and its tables, end to end; the text and the folder hold markup."""
    text = tmp_path / "own.txt"
    text.write_text("<b>bold</b> & " + " ".join(f"w{number}" for number in range(1, 41)), encoding="utf-8")
    out = tmp_path / "out"
    arguments = (
        "compare",
        "--model",
        small_folder,
        "--file",
        text,
        "--seeds",
        1,
        "--draws",
        19,
        "--out",
        out,
    )
    made = run(*arguments, "--group", "small", "--group", "SA, beta 9, d 3")
    assert made.exit_code == 0, made.output
    names = sorted(path.name for path in (out / "runs").iterdir())
    assert "sa-beta-9-d-3-seed-0.nc" in names
    assert sum(name.startswith("small-") for name in names) == len(names) - 1 == 8
    # The simulation is measured by both definitions, a model run by those of its frame.
    assert len(list((out / "measured").iterdir())) == len(names) + 1
    assert {path.stem for path in (out / "models" / "small").iterdir()} >= {"heads", "parts", "norms"}
    pages = [out / "report.html", *(out / "report").glob("*.html")]
    assert not any("<b>bold</b>" in page.read_text(encoding="utf-8") for page in pages)
    assert (out / "report" / "model-1-small.html") in pages
    *found, wrote = made.stdout.splitlines()
    assert 1 <= len(found) <= 5
    assert found[-1].startswith("All questions that apply")
    assert wrote.startswith("wrote ")
    groups = {row["group"] for row in json.loads((out / "verdicts.json").read_text())["rows"]}
    assert groups >= {"small", "small, random weights", "small, shuffled tokens", "SA, beta 9, d 3"}
    assert not [path for path in Path(out).rglob("*") if path.name.startswith(".")]
    assert os.listdir(tmp_path).count("out") == 1
