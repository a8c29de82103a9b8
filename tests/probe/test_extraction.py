"""States, attention and frames of `probe.extract` against the model's own outputs, on small random models."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import probe
from probe.loading import load
from sim.trajectory import Trajectory
from tests.helpers.small_models import (
    HEADS,
    OTHER,
    TEXT,
    WIDTH,
    family_tokenizer,
    saved,
    small_model,
    states_of,
)


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert"])
def small(request, tmp_path_factory):
    """The model in memory, whose own outputs are the oracle, and the folder that `extract` reads back."""
    model, tokenizer = small_model(request.param, head=True), family_tokenizer(request.param)
    folder = saved(tmp_path_factory.mktemp(request.param) / "small", model, tokenizer)
    return SimpleNamespace(family=request.param, model=model, tokenizer=tokenizer, folder=folder)


@pytest.fixture(scope="module")
def oracle(small):
    """States, attention rows and logits of one independent forward pass."""
    with torch.no_grad():
        outputs = small.model(
            **small.tokenizer(TEXT, return_tensors="pt", return_token_type_ids=False),
            output_hidden_states=True,
            output_attentions=True,
        )
    return SimpleNamespace(
        states=torch.cat(outputs.hidden_states).double().numpy(),
        attention=torch.cat(outputs.attentions).numpy(),
        logits=outputs.logits[0].numpy(),
    )


def norms_that_make(small):
    """The layer norm behind each state of a post-LN model, by depth."""
    if small.family == "bert":
        blocks = small.model.bert.encoder.layer
        return [small.model.bert.embeddings.LayerNorm, *(block.output.LayerNorm for block in blocks)]
    shared = small.model.albert.encoder.albert_layer_groups[0].albert_layers[0].full_layer_layer_norm
    return [None] + [shared] * small.model.config.num_hidden_layers


def test_states_are_those_of_the_model(small, oracle):
    trajectory = probe.extract(small.folder, TEXT)
    states = states_of(trajectory)
    assert trajectory.axis == "layer"
    assert states.shape == oracle.states.shape
    np.testing.assert_array_equal(trajectory.depth, np.arange(len(oracle.states)))
    # The same float32 operations twice; 1e-6 leaves room for another order of sums.
    np.testing.assert_allclose(states[:-1], oracle.states[:-1], rtol=1e-6, atol=1e-6)
    if small.family == "gpt2":  # transformers gives ln_f of the last state in its place
        assert np.abs(states[-1] - oracle.states[-1]).max() > 0.1
        with torch.no_grad():
            last = small.model.transformer.ln_f(torch.from_numpy(states[-1]).float()).numpy()
        np.testing.assert_allclose(last, oracle.states[-1], rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(states[-1], oracle.states[-1], rtol=1e-6, atol=1e-6)


def test_last_state_gives_the_logits(small, oracle):
    last = torch.from_numpy(states_of(probe.extract(small.folder, TEXT))[-1]).float()
    model = small.model
    with torch.no_grad():
        if small.family == "gpt2":
            logits = model.lm_head(model.transformer.ln_f(last))
        else:
            logits = (model.cls if small.family == "bert" else model.predictions)(last)
    np.testing.assert_allclose(logits.numpy(), oracle.logits, rtol=1e-5, atol=1e-5)


def test_attention_rows(small, oracle):
    attention = probe.extract(small.folder, TEXT, attention=True).attention
    assert attention is not None
    assert attention.dtype == np.float32
    np.testing.assert_allclose(attention[:-1], oracle.attention, rtol=0, atol=1e-6)
    assert np.isnan(attention[-1]).all()
    np.testing.assert_allclose(attention[:-1].sum(axis=-1), 1, rtol=0, atol=1e-6)
    above = np.triu(np.ones(attention.shape[-2:], bool), 1)
    assert (attention[:-1][..., above] == 0).all() == (small.family == "gpt2")
    assert probe.extract(small.folder, TEXT).attention is None


def test_batch_and_padding_change_nothing(small):
    base, tokenizer = small.model.base_model, small.tokenizer
    rows = [tokenizer(text)["input_ids"] for text in (OTHER, TEXT)]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        padded = base(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    assert len(rows[0]) < longest
    trajectory = probe.extract(small.folder, OTHER)
    states = torch.stack(padded)[:-1, 0, : len(rows[0])].double().numpy()
    lengths = np.linalg.norm(states, axis=-1)
    np.testing.assert_allclose(trajectory.norms[:-1], lengths, rtol=1e-6)
    np.testing.assert_allclose(trajectory.points[:-1], states / lengths[..., None], atol=1e-6)


def test_layernorm_frame_is_what_the_norms_say(small, oracle):
    """Through a norm's gain and bias, theta gives what attention reads (pre-LN) or the state again (post-LN)."""
    trajectory = probe.extract(small.folder, TEXT, frame="layernorm")
    if small.family == "gpt2":
        width, lengths = trajectory.points.shape[-1], trajectory.norms[..., None]
        for depth, block in enumerate(small.model.transformer.h):
            with torch.no_grad():
                read = block.ln_1(torch.from_numpy(oracle.states[depth]).float()).numpy()
            shortening = lengths[depth] / np.sqrt(lengths[depth] ** 2 + width * block.ln_1.eps)
            theta = np.sqrt(width) * trajectory.points[depth] * shortening
            np.testing.assert_allclose(through(block.ln_1, theta), read, rtol=1e-5, atol=1e-5)
        return
    for depth, norm in enumerate(norms_that_make(small)):
        state, undone = oracle.states[depth], states_of(trajectory)[depth]
        expected = state - state.mean(axis=-1, keepdims=True) if norm is None else state
        np.testing.assert_allclose(through(norm, undone), expected, rtol=1e-5, atol=1e-5)


def through(norm, vectors):
    """The gain and bias of a layer norm, in float64; nothing where there is no norm."""
    if norm is None:
        return vectors
    return norm.weight.detach().double().numpy() * vectors + norm.bias.detach().double().numpy()


def test_layernorm_frame_is_orthogonal_to_ones(small):
    points = probe.extract(small.folder, TEXT, frame="layernorm").points
    np.testing.assert_allclose(points.mean(axis=-1), 0, atol=1e-15)  # float64 after the model's float32


def test_layernorm_frame_stands_gains_of_zero():
    """MiniLM's last norm has a gain of 5e-33: dividing by it would blow rounding up to 1e25."""
    model, tokenizer = small_model("bert", head=True), family_tokenizer("bert")
    plain = probe.extract((model, tokenizer), TEXT, frame="layernorm")
    with torch.no_grad():
        model.bert.encoder.layer[-1].output.LayerNorm.weight[5] = 0
    zeroed = probe.extract((model, tokenizer), TEXT, frame="layernorm")
    np.testing.assert_array_equal(zeroed.points, plain.points)


def test_folder_pair_and_loaded_model_agree(small):
    first = probe.extract(small.folder, TEXT, attention=True)
    for model in (str(small.folder), load(small.folder), (small.model, small.tokenizer)):
        again = probe.extract(model, TEXT, attention=True)
        np.testing.assert_array_equal(again.points, first.points)
        np.testing.assert_array_equal(again.attention, first.attention)
    fused = small_model(small.family, head=True)
    fused.set_attn_implementation("sdpa")
    again = probe.extract((fused, small.tokenizer), TEXT)
    np.testing.assert_allclose(again.points, first.points, atol=1e-5)  # another order of float32 sums
    with pytest.raises(ValueError, match="eager"):
        probe.extract((fused, small.tokenizer), TEXT, attention=True)


def test_tokens_and_special_marks(small):
    trajectory = probe.extract(small.folder, TEXT)
    if small.family == "gpt2":
        assert "".join(trajectory.tokens) == TEXT
        assert not trajectory.special.any()
        return
    assert trajectory.tokens[0] == "[CLS]"
    assert trajectory.tokens[-1] == "[SEP]"
    np.testing.assert_array_equal(np.flatnonzero(trajectory.special), [0, len(trajectory.tokens) - 1])
    space = "" if small.family == "bert" else " "
    assert trajectory.tokens[1:-1] == tuple(space + word for word in TEXT.split())


def test_max_tokens_keeps_the_first(small):
    whole, cut = probe.extract(small.folder, TEXT), probe.extract(small.folder, TEXT, max_tokens=6)
    kept = 6 - cut.special.sum()
    assert len(cut.tokens) == 6
    first = np.flatnonzero(~whole.special)[:kept]
    assert [token for token, added in zip(cut.tokens, cut.special) if not added] == [
        whole.tokens[i] for i in first
    ]


def test_double_precision_is_close_and_not_the_same(small):
    single, double = probe.extract(small.folder, TEXT), probe.extract(small.folder, TEXT, dtype="float64")
    difference = np.abs(single.points - double.points).max()
    assert 0 < difference < 1e-5  # float32 rounding, 6e-8 an operation, over a few blocks
    assert double.provenance["dtype"] == "float64"


def test_attention_rows_in_half_precision_still_sum_to_one(small):
    trajectory = probe.extract(small.folder, TEXT, attention=True, dtype="bfloat16")
    assert trajectory.attention is not None
    rows = trajectory.attention[:-1].sum(-1)
    np.testing.assert_allclose(rows, 1, atol=1e-6)  # renormalised in float32


def test_provenance_is_json_and_names_no_path(small, tmp_path):
    trajectory = probe.extract(small.folder, TEXT, frame="layernorm", attention=True)
    provenance = json.loads(json.dumps(trajectory.provenance))
    assert provenance["model"] == "small"
    assert str(small.folder.parent) not in json.dumps(provenance)
    assert provenance["family"] == small.family
    assert provenance["scheme"] == ("pre" if small.family == "gpt2" else "post")
    assert provenance["causal"] == (small.family == "gpt2")
    assert (provenance["blocks"], provenance["heads"], provenance["width"]) == (
        len(trajectory.depth) - 1,
        HEADS,
        WIDTH,
    )
    assert provenance["revision"].startswith("sha256:")
    assert provenance["prompt"] is None
    trajectory.save(tmp_path / "one.nc")
    loaded = Trajectory.load(tmp_path / "one.nc")
    np.testing.assert_array_equal(loaded.attention, trajectory.attention)
    assert loaded.tokens == trajectory.tokens


def test_provenance_names_the_prompt(small):
    name, prompt = next(iter(probe.prompts().items()))
    assert probe.extract(small.folder, prompt.text, max_tokens=8).provenance["prompt"] == name
