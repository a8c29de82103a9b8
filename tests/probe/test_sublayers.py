"""States between attention and feed-forward part, and the marks that metrics leave tokens out by."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import probe
from probe.forward import _silent
from probe.inputs import text_inputs
from probe.loading import load
from tests.helpers.small_models import TEXT, small_model, word_tokenizer


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert"])
def small(request):
    model, tokenizer = small_model(request.param), word_tokenizer()
    return SimpleNamespace(family=request.param, model=model, pair=(model, tokenizer))


def feed_forward(small, layer, state):
    """The second half of a block, from the model's own modules."""
    if small.family == "gpt2":
        block = small.model.h[layer]
        return state + block.mlp(block.ln_2(state))
    if small.family == "bert":
        return small.model.encoder.layer[layer].feed_forward_chunk(state)
    block = small.model.encoder.albert_layer_groups[0].albert_layers[0]
    return block.full_layer_layer_norm(block.ff_chunk(state) + state)


def attention(small, layer, state):
    """The first half of a block; GPT-2 is masked, the others are not."""
    if small.family == "gpt2":
        block, n = small.model.h[layer], state.shape[1]
        mask = torch.full((n, n), -torch.inf).triu(1)[None, None]
        return state + block.attn(block.ln_1(state), attention_mask=mask)[0]
    if small.family == "bert":
        return small.model.encoder.layer[layer].attention(state)[0]
    return small.model.encoder.albert_layer_groups[0].albert_layers[0].attention(state)[0]


def test_both_halves_of_every_block(small):
    """From each kept state the model's modules lead to the next one, so these are states and not increments."""
    trajectory = probe.extract(small.pair, TEXT, sublayers=True)
    states = torch.from_numpy(trajectory.points * trajectory.norms[..., None]).float()[:, None]
    np.testing.assert_array_equal(trajectory.depth, np.arange(7) / 2)
    with torch.no_grad():
        for layer in range(3):
            half, whole = states[2 * layer + 1], states[2 * layer + 2]
            # float32 twice, through float64 unit points in between
            np.testing.assert_allclose(attention(small, layer, states[2 * layer]), half, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(feed_forward(small, layer, half), whole, rtol=1e-5, atol=1e-5)


def test_whole_depths_are_as_without(small):
    for frame in ("raw", "layernorm"):
        whole = probe.extract(small.pair, TEXT, frame=frame, attention=True)
        both = probe.extract(small.pair, TEXT, frame=frame, attention=True, sublayers=True)
        np.testing.assert_array_equal(both.points[::2], whole.points)
        np.testing.assert_array_equal(both.norms[::2], whole.norms)
        assert both.attention is not None
        np.testing.assert_array_equal(both.attention[::2], whole.attention)
        assert np.isnan(both.attention[1::2]).all()
    # the last frame is orthogonal to the all-ones vector, at the half depths too
    np.testing.assert_allclose(both.points.mean(axis=-1), 0, atol=1e-15)
    assert both.provenance["sublayers"]
    assert not whole.provenance["sublayers"]


def test_duplicates_are_equal_token_ids(small):
    trajectory = probe.extract(small.pair, TEXT, max_tokens=9)
    ids = trajectory.provenance["token_ids"]
    assert len(ids) == len(trajectory.tokens) == 9
    assert [place for place, number in enumerate(ids) if number == ids[0]] == [0, 6]  # "the"
    assert trajectory.provenance["epsilon"] in (1e-5, 1e-12)


def test_a_long_first_token_is_a_sink(small):
    """The place of token 0 is made long in GPT-2's residual; the norms of the others bring it back in BERT."""
    assert probe.extract(small.pair, TEXT).provenance["sinks"] == []
    if small.family != "gpt2":
        return
    place = small.model.wpe.weight.data[0]
    before = place.clone()
    try:
        place += 20
        for frame in ("raw", "layernorm"):
            assert probe.extract(small.pair, TEXT, frame=frame).provenance["sinks"] == [0]
    finally:
        place.copy_(before)


def test_a_token_that_is_long_for_a_while_is_a_transient_sink():
    """What is added to a token behind block 1 is taken off again behind block 3."""
    model = small_model("gpt2", num_hidden_layers=6)
    loaded = load((model, word_tokenizer()))
    handles = [
        model.h[block].register_forward_hook(lambda module, given, made, push=push: _pushed(made, push))
        for block, push in ((1, 60.0), (3, -60.0))
    ]
    facts = probe.extract(loaded, TEXT).provenance
    for handle in handles:
        handle.remove()
    assert facts["sinks"] == []
    assert facts["transient_sinks"] == [2]
    assert probe.extract(loaded, TEXT).provenance["transient_sinks"] == []


def _pushed(made, push):
    made[:, 2, ::2] += push
    return made


def test_a_feed_forward_part_that_fires_out_of_count_is_an_error(small, monkeypatch):
    """Silencing counts calls where a block is shared: one too many or too few would silence another block."""
    loaded = load(small.pair)
    blocks = loaded.structure.blocks
    inputs = text_inputs(loaded, TEXT, None, None, 0)
    for expected, passes, word in ((blocks, 2, "more"), ((*blocks, blocks[-1]), 1, "less")):
        monkeypatch.setattr(type(loaded), "blocks", property(lambda _, expected=expected: expected))
        with pytest.raises(RuntimeError, match=f"fired {word} often"), _silent(loaded, [0]):
            _ = [small.model(**inputs.arguments) for _ in range(passes)]
