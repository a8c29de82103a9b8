"""Bad models and bad texts: each is one line that says what is wrong and what to do."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import probe
from probe.loading import load
from tests.helpers.saved_models import refused, rewrite
from tests.helpers.small_models import WIDTH, saved, small_model, word_tokenizer


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    model = small_model("gpt2", head=True, vocab_size=5, num_hidden_layers=2, max_position_embeddings=6)
    folder = saved(tmp_path_factory.mktemp("bad") / "small", model, word_tokenizer(["cat", "sat", "mat"]))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["rat"] = 9  # which the model has no row for
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@pytest.fixture
def folder(good, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(good, tmp_path / "small")


def test_the_good_folder_is_good(good):
    assert probe.extract(good, "cat sat mat").points.shape == (3, 3, WIDTH)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickled_weights_are_never_opened(folder, name):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    (folder / "model.safetensors").unlink()
    torch.save(Bomb(), folder / name)
    message = refused(folder)
    assert "pickled" in message
    assert name in message


def test_no_config(folder):
    (folder / "config.json").unlink()
    assert "no config.json" in refused(folder)


@pytest.mark.parametrize("config", ["{", "[]"])
def test_config_that_is_no_object(folder, config):
    (folder / "config.json").write_text(config)
    assert "not a JSON object" in refused(folder)


@pytest.mark.parametrize("family", ["lama", None])
def test_a_family_that_nobody_knows(folder, family):
    rewrite(folder / "config.json", model_type=family)
    message = refused(folder)
    assert repr(family) in message
    assert "not known to transformers" in message


def test_weights_of_another_family(folder):
    rewrite(folder / "config.json", model_type="llama", hidden_size=WIDTH, num_attention_heads=2)
    assert "weights of small lack" in refused(folder)


def test_code_that_comes_with_a_model_is_not_run(folder):
    (folder / "custom.py").write_text("raise SystemExit('this code must not run')\n")
    rewrite(folder / "config.json", auto_map={"AutoModel": "custom.Model", "AutoConfig": "custom.Config"})

    assert probe.extract(folder, "cat").points.shape == (3, 1, WIDTH)


def test_no_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert "no tokenizer" in refused(folder)


def test_weights_cut_off_in_the_middle(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cannot be loaded" in refused(folder)


def test_weights_that_lack_a_block(folder):
    rewrite(folder / "config.json", n_layer=3)
    message = refused(folder)
    assert "lack" in message
    assert "h.2" in message


def test_weights_of_another_width(folder):
    rewrite(folder / "config.json", n_embd=16)
    assert "cannot be loaded" in refused(folder)


def test_weights_that_are_not_finite(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.h.1.mlp.c_proj.bias"][0] = torch.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "depth 2" in refused(folder)


@pytest.mark.parametrize("name", ["./nowhere", "nowhere/at/all", "/nowhere", "~/nowhere/", "no where"])
def test_a_path_that_is_not_there(name):
    assert "no folder at" in refused(name)


def test_a_file_in_place_of_a_folder(folder):
    assert "is a file" in refused(folder / "config.json")


def test_hub_id_without_network():
    message = refused("somebody/unknown")
    assert "hub" in message
    assert "connection" in message


@pytest.mark.parametrize("text", ["", "  \n "])
def test_text_without_a_token(good, text):
    assert "no token" in refused(good, text)


def test_text_that_is_too_long(good):
    message = refused(good, "cat sat mat " * 3)
    assert "9 tokens" in message
    assert "max_tokens=6" in message


def test_tokenizer_of_another_model(good):
    assert "knows 5 only" in refused(good, "rat")


def test_memory_limit(good):
    assert "memory_limit" in refused(good, memory_limit=1000)
    assert "leave attention out" in refused(good, attention=True, memory_limit=1000)


def test_arguments_out_of_their_domain(good):
    assert "raw, layernorm" in refused(good, frame="sphere")
    assert "float32" in refused(good, dtype="int8")
    assert "device" in refused(good, device="cuda:99")
    assert "max_tokens" in refused(good, max_tokens=0)


def test_a_model_of_no_family(good):
    assert "Linear" in refused((torch.nn.Linear(2, 2), load(good).tokenizer))
