"""`metasphere doctor`: what can be read of a model and what not, with the deviations of each block."""

import json

import pytest
from click.testing import CliRunner

from compare.cli.group import main
from probe.examination import examine
from probe.loading import load
from tests.helpers.small_models import saved, small_model, word_tokenizer


@pytest.fixture(scope="module")
def falcon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "falcon"
    return saved(folder, small_model("falcon", head=True), word_tokenizer())


def test_each_block_and_each_reading_is_there(falcon):
    result = CliRunner().invoke(main, ["doctor", str(falcon)])
    assert result.exit_code == 0
    assert result.output.count("layer norm, epsilon 1e-05") == 3
    assert "attention rows: yes" in result.output
    assert (
        "feed-forward part: no: falcon (falcon) runs attention and feed-forward part side by side"
        in result.output
    )
    assert "learned operators: yes" in result.output


def test_as_json(falcon):
    found = json.loads(CliRunner().invoke(main, ["doctor", str(falcon), "--json"]).output)
    assert (found["family"], found["blocks"], found["scheme"], found["causal"]) == ("falcon", 3, "pre", True)
    assert [layer["arrangement"] for layer in found["layers"]] == ["parallel"] * 3
    assert max(layer["equation"] for layer in found["layers"]) < 1e-6
    assert found["readable"]["the other mask"] == "yes"


def test_a_mask_that_cannot_be_exchanged_is_said():
    found = examine(load((small_model("gpt_neo"), word_tokenizer())))
    assert found.readable["the other mask"].startswith("no: gpt_neo")
    assert found.facts["own hidden_states"].startswith("equal at 3 of 4")


def test_a_family_without_facts_is_read_without_operators():
    found = examine(load((small_model("deberta-v2"), word_tokenizer())))
    assert found.readable["states"] == found.readable["attention rows"] == "yes"
    assert found.readable["learned operators"].startswith("no: what the attention of deberta-v2 computes")


def test_a_model_that_is_not_there():
    result = CliRunner().invoke(main, ["doctor", "./nowhere"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
