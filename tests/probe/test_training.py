"""The code that trains checkpoints; and each embedded one loads offline and predicts better than counts do."""

import dataclasses
import hashlib
import itertools
import json
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

import probe
from probe.checkpoints import checkpoints
from probe.training import train as training
from probe.training.baselines import Counts, from_both, from_left
from probe.training.export import load, model_loss
from probe.training.objective import IGNORED, example, hide, losses
from probe.training.recipes import RECIPES, Phase, Recipe
from probe.training.train import grow
from probe.training.vocabulary import CLS, MASK, SEP

PACKAGE = Path(str(util.find_spec("probe").origin)).parent / "checkpoints"  # pyright: ignore[reportOptionalMemberAccess]
MANIFEST = json.loads((PACKAGE / "manifest.json").read_text())
NAMES = sorted(MANIFEST["checkpoints"])
FINAL = [name for name in NAMES if not name.endswith(("-initial", "-early"))]


def _record(name: str) -> dict:
    return json.loads((PACKAGE / name / "checkpoint.json").read_text())


def _model(name: str):
    return load(PACKAGE / name, causal=_record(name)["recipe"]["mask_rate"] is None)


def _sample(name: str) -> tuple[np.ndarray, np.ndarray]:
    sample = _record(name)["heldout"]["sample"]
    return np.asarray(sample["inputs"]), np.asarray(sample["labels"])


def test_every_folder_is_listed():
    assert list(checkpoints()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_files_are_those_of_the_manifest(name):
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (PACKAGE / name).iterdir()}
    assert hashes == MANIFEST["checkpoints"][name]


def test_sizes():
    sizes = {name: sum(file.stat().st_size for file in (PACKAGE / name).iterdir()) for name in NAMES}
    assert all(size <= 8e6 for size in sizes.values())
    assert sum(sizes.values()) <= 30e6


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_finite_float16(name):
    weights = load_file(PACKAGE / name / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.parametrize("name", NAMES)
def test_loads_offline_as_the_real_architecture(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    recipe = _record(name)["recipe"]
    tokenizer = AutoTokenizer.from_pretrained(PACKAGE / name)
    model = AutoModel.from_pretrained(PACKAGE / name, use_safetensors=True, dtype=torch.float32).eval()
    assert model.config.model_type == recipe["family"]
    assert model.config.num_hidden_layers == recipe["blocks"] >= 12
    assert model.config.hidden_size == recipe["width"] >= 128
    text = "It is a truth universally acknowledged; è così.\n\tx = {1: 'a'}"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    if recipe["mask_rate"] is not None:
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert tokenizer.mask_token_id < tokenizer.vocab_size
    with torch.no_grad():
        states = model(input_ids=torch.arange(512)[None]).last_hidden_state
    assert states.shape == (1, 512, recipe["width"])


@pytest.mark.parametrize("name", FINAL)
def test_names_of_tokens_are_the_characters_of_the_text(name):
    text = "Emma Woodhouse, handsome, clever;\n\tx = {1: 'a'}"
    trajectory = probe.extract(name, text)
    assert "".join(np.asarray(trajectory.tokens, object)[~trajectory.special]) == text
    assert trajectory.special.sum() == (0 if name.startswith("gpt2") else 2)


@pytest.mark.parametrize("name", NAMES)
def test_loss_on_the_stored_sample_is_the_recorded_one(name):
    # float32 sums in another order (threads, machine) move a mean of several hundred losses by about 1e-6
    loss = model_loss(_model(name), *_sample(name)).mean()
    assert loss == pytest.approx(_record(name)["heldout"]["sample"]["model"], abs=1e-4)


@pytest.mark.parametrize("name", FINAL)
def test_beats_unigram_and_bigram(name):
    heldout = _record(name)["heldout"]
    for measured in (heldout, heldout["sample"]):
        assert measured["model"] < measured["bigram"] < measured["unigram"]
    assert heldout["model"] + 5 * heldout["standard_error"] < heldout["bigram"]


@pytest.mark.parametrize("name", FINAL)
def test_uses_context_and_order(name):
    """With the context in another order, the same questions get harder by far more than sampling noise."""
    inputs, labels = _sample(name)
    model, generator = _model(name), np.random.default_rng(0)
    shuffled = inputs.copy()
    for row, asked in zip(shuffled, labels >= 0):
        free = np.flatnonzero(~asked) if not asked.all() else np.arange(row.size)
        row[free] = row[generator.permutation(free)]
    assert model_loss(model, shuffled, labels).mean() > model_loss(model, inputs, labels).mean() + 0.3


@pytest.mark.parametrize("family", sorted({name.split("-")[0] for name in NAMES if name.endswith("-early")}))
def test_training_lowers_the_loss_stage_by_stage(family):
    losses = {name: _record(name)["heldout"]["model"] for name in NAMES if name.startswith(family)}
    final = min(losses, key=len)
    assert losses[final] < losses[f"{final}-early"] < losses[f"{final}-initial"]
    assert losses[f"{final}-initial"] > np.log(2048) - 0.5  # untrained: near the uniform guess


def test_corpus_has_licences_hashes_and_all_classes():
    assert {source["class"] for source in MANIFEST["corpus"]} >= {"prose", "german", "code", "latex"}
    for source in MANIFEST["corpus"]:
        assert source["licence"]
        assert source["version"]
        assert len(source["archive_sha256"]) == len(source["text_sha256"]) == 64


def test_counts_against_a_plain_loop():
    tokens, size, weight = np.random.default_rng(0).integers(0, 5, 200), 5, 3.0
    counts = Counts.of(tokens, size)
    single = [(sum(tokens == w) + 1) / (len(tokens) + size) for w in range(size)]
    chain = np.empty((size, size))
    for left in range(size):
        followers = [b for a, b in itertools.pairwise(tokens) if a == left]
        for word in range(size):
            chain[left, word] = (followers.count(word) + weight * single[word]) / (len(followers) + weight)
    # sums of 200 counts: rounding only
    np.testing.assert_allclose(counts.unigram(), single, rtol=1e-13)
    np.testing.assert_allclose(counts.bigram(weight), chain, rtol=1e-13)
    both = np.array([single[w] * chain[w, 2] for w in range(size)])
    np.testing.assert_allclose(
        from_both(counts.unigram(), chain, np.array([-1]), np.array([2]))[0], both / both.sum(), rtol=1e-12
    )
    np.testing.assert_allclose(from_left(counts.unigram(), chain, np.array([3]))[0], chain[3], rtol=1e-15)


def test_hidden_tokens_follow_the_stated_shares():
    inputs = np.full((200, 500), 1000)
    corrupted, labels = hide(inputs, 0.2, np.random.default_rng(0))
    asked = labels != IGNORED
    assert not asked[:, [0, -1]].any()
    assert (corrupted[~asked] == 1000).all()
    # 100,000 draws: five standard deviations of each share
    assert asked[:, 1:-1].mean() == pytest.approx(0.2, abs=0.007)
    assert (corrupted[asked] == MASK).mean() == pytest.approx(0.8, abs=0.015)
    assert (corrupted[asked] == 1000).mean() == pytest.approx(0.1, abs=0.012)


def test_what_is_asked():
    tokens, generators = np.arange(100, 1000), [np.random.default_rng(0) for _ in range(3)]
    inputs, labels = example(tokens, None, 16, 4, generators[0])
    assert torch.equal(labels, inputs + 1)
    inputs, labels = example(tokens, 0.0, 16, 4, generators[1])
    assert (inputs[:, 0] == CLS).all()
    assert (inputs[:, -1] == SEP).all()
    assert torch.equal(labels[:, 1:], inputs[:, :-1])
    assert (labels[:, 0] == IGNORED).all()
    whole = inputs[:, 1:-1]
    inputs, labels = example(tokens, 0.5, 16, 4, generators[2])
    assert torch.equal(torch.where(labels == IGNORED, inputs, labels)[:, 1:-1], whole)


def test_a_window_can_begin_at_any_position():
    model = dataclasses.replace(RECIPES["bert-128"], width=32, heads=2).model(1).eval()
    inputs, labels = example(np.arange(5, 100), 0.3, 16, 2, np.random.default_rng(0))
    places = model.get_parameter("bert.embeddings.position_embeddings.weight")
    with torch.no_grad():
        begun_at_7 = losses(model, inputs, labels, offsets=torch.tensor([7, 7]))
        begun_at_0 = losses(model, inputs, labels)
        places.copy_(places.roll(-7, dims=0))
        torch.testing.assert_close(losses(model, inputs, labels), begun_at_7)
    assert (begun_at_0 - begun_at_7).abs().max() > 1e-3


def test_resumed_training_follows_an_unbroken_one(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    monkeypatch.setattr(training, "REPORT_EVERY", 2)
    tokens = np.random.default_rng(0).integers(5, 2048, 4000).astype(np.uint16)
    phases = (
        Phase(
            steps=3, length=16, batch=2, rate=1e-3, final_rate=1e-3, warmup=2, blocks=1, left_neighbour=True
        ),
        Phase(steps=3, length=16, batch=2, rate=1e-3, final_rate=1e-4, anywhere=True),
    )
    whole = Recipe("bert", 32, 2, seed=5, spread=0.05, phases=phases, blocks=2, mask_rate=0.3)
    assert training.train(whole, tokens, tokens, tmp_path / "whole")
    broken = dataclasses.replace(whole, phases=(phases[0], dataclasses.replace(phases[1], steps=1)))
    assert training.train(broken, tokens, tokens, tmp_path / "parts")
    assert training.train(whole, tokens, tokens, tmp_path / "parts")
    one, two = (torch.load(tmp_path / folder / "state.pt")["model"] for folder in ("whole", "parts"))
    assert len(one) == len(two)
    for name, weight in one.items():
        assert torch.equal(weight, two[name]), name


def test_a_grown_bert_repeats_its_blocks():
    recipe = dataclasses.replace(RECIPES["bert-128"], width=32, heads=2)
    shallow = recipe.model(2)
    deep = grow(recipe, shallow, 4).state_dict()
    for name, weight in shallow.state_dict().items():
        assert torch.equal(weight, deep[name])
        twin = name.replace(".layer.0.", ".layer.2.").replace(".layer.1.", ".layer.3.")
        assert torch.equal(weight, deep[twin])
