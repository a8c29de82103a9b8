"""GGUF files: the same states as the model that was written, and one line for a file that cannot be read."""

import shutil

import gguf
import numpy as np
import pytest
import torch

import probe
from probe.loading import load, model_digest
from tests.helpers.gguf_models import write_gguf
from tests.helpers.saved_models import refused
from tests.helpers.small_models import small_model, states_of


@pytest.fixture(scope="module")
def model():
    return small_model(
        "llama", hidden_size=32, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64
    )


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf", model)


@pytest.fixture
def broken(file, tmp_path):
    """A copy to spoil."""
    return shutil.copy(file, tmp_path / "broken.gguf")


def test_the_states_are_those_of_the_model_that_was_written(model, file, capfd):
    run = probe.extract(file, "the")
    assert capfd.readouterr() == ("", "")
    ids = torch.tensor([run.provenance["token_ids"]])
    with torch.no_grad():
        own = model(input_ids=ids, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(states_of(run)[:-1], torch.cat(own).numpy()[:-1], rtol=1e-6, atol=1e-6)
    assert run.tokens == ("the",)
    assert run.provenance["quantisation"] == "F32"
    assert (run.provenance["model"], run.provenance["family"]) == ("small.gguf", "llama")


def test_rounded_weights_are_said_to_be_rounded(model, tmp_path):
    kind = gguf.GGMLQuantizationType.Q8_0
    (tmp_path / "folder").mkdir()
    write_gguf(tmp_path / "folder" / "small.gguf", model, kind)
    loaded = load(tmp_path / "folder")
    assert loaded.quantisation == "Q8_0, F32"
    assert probe.extract(loaded, "the").provenance["quantisation"] == "Q8_0, F32"
    matrix = model.layers[1].mlp.up_proj.weight.detach().numpy()
    expected = gguf.dequantize(gguf.quantize(matrix, kind), kind)
    np.testing.assert_array_equal(loaded.model.layers[1].mlp.up_proj.weight.detach().numpy(), expected)
    assert np.abs(expected - matrix).max() > 0


def test_a_changed_file_is_another_model(model, file, broken):
    before = model_digest(broken)
    kind = gguf.GGMLQuantizationType.Q8_0
    assert before == model_digest(broken)
    assert before != model_digest(write_gguf(broken, model, kind))


def test_random_weights_of_a_gguf(file):
    """It does not say with which range training started."""
    for model in (file, load(file)):
        facts = probe.extract(model, "the", init="random").provenance
        assert facts["quantisation"] is None
        assert (facts["initializer_range"], facts["initializer_range_from"]) == (0.02, "family")


def test_a_file_that_is_cut_short(broken):
    content = broken.read_bytes()
    for length in (len(content) - 100, len(content) // 2, 200, 10):
        broken.write_bytes(content[:length])
        assert "cut short" in refused(broken)


def test_a_file_that_is_none(broken):
    broken.write_bytes(b"nothing")
    assert "no GGUF" in refused(broken)


def test_an_unknown_architecture(model, tmp_path):
    message = refused(write_gguf(tmp_path / "other.gguf", model, architecture="clipper"))
    assert "clipper" in message
    assert "not supported" in message


def test_without_the_package(broken, monkeypatch):
    monkeypatch.setattr("probe.gguf_files.find_spec", lambda name: None)
    assert "metasphere[gguf]" in refused(broken)
