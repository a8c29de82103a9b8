"""Every kind of transformer read by its structure, against what transformers itself gives and against module names."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import probe
from probe.controls import controls
from probe.loading import load
from probe.structure import structure_of
from probe.structure.finding import stack
from tests.helpers.small_models import (
    FAMILIES,
    HEADS,
    IMAGE,
    OF_IMAGES,
    TEXT,
    small_model,
    states_of,
    word_tokenizer,
)

# The state between attention and feed-forward part of block 1, by the name of a module and the end that has it.
BETWEEN = {
    "gpt2": ("h.1.ln_2", "input"),
    "bert": ("encoder.layer.1.attention", "output"),
    "vit": ("layers.1.layernorm_after", "input"),
    "gemma2": ("layers.1.pre_feedforward_layernorm", "input"),
    "gemma3_text": ("layers.1.pre_feedforward_layernorm", "input"),
    "olmo2": ("layers.1.mlp", "input"),
    "gpt_neo": ("h.1.ln_2", "input"),
    "opt": ("decoder.layers.1.final_layer_norm", "input"),
    "bloom": ("h.1.self_attention", "output"),
    "distilbert": ("transformer.layer.1.sa_layer_norm", "output"),
    "modernbert": ("layers.1.mlp_norm", "input"),
    "t5": ("encoder.block.1.layer.0", "output"),
    "dinov2": ("encoder.layer.1.norm2", "input"),
    "clip_vision_model": ("encoder.layers.1.layer_norm2", "input"),
}
BETWEEN |= dict.fromkeys(("roberta", "xlm-roberta", "electra", "deberta-v2"), BETWEEN["bert"])
BETWEEN |= dict.fromkeys(
    ("llama", "mistral", "qwen2", "qwen3", "phi3"), ("layers.1.post_attention_layernorm", "input")
)
# What attention of block 1 gives where the parts run side by side.
PARALLEL = {"gpt_neox": "layers.1.attention", "gptj": "h.1.attn", "falcon": "h.1.self_attention"}
# The norm whose output the matrices of block 1 are given; that of block 0 has 0 for 1, the last one stands beside it.
READERS = {
    "gpt2": ("h.1.ln_1", "ln_f"),
    "vit": ("layers.1.layernorm_before", "layernorm"),
    "gpt_neox": ("layers.1.input_layernorm", "final_layer_norm"),
    "t5": ("encoder.block.1.layer.0.layer_norm", "encoder.final_layer_norm"),
}
READERS |= dict.fromkeys(
    ("llama", "qwen3", "gemma2", "gemma3_text", "phi3"), ("layers.1.input_layernorm", "norm")
)
ROOT_MEAN_SQUARE = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "t5")
POST = ("bert", "albert", "roberta", "xlm-roberta", "distilbert", "electra", "deberta-v2")
ENCODERS = (*POST, "modernbert", "t5", *OF_IMAGES)
OWN_MASK = "gpt_neo"


@pytest.fixture(scope="module", params=FAMILIES)
def small(request):
    """A model, what `extract` reads, and what transformers gives for the same."""
    family = request.param
    model = small_model(family)
    if family in OF_IMAGES:
        text, tokenizer = IMAGE, None
        given = {"pixel_values": torch.tensor(IMAGE[None]).float()}
    else:
        text, tokenizer = TEXT, word_tokenizer()
        given = {"input_ids": torch.tensor([tokenizer(TEXT)["input_ids"]])}
    pair = (model, tokenizer)
    with torch.no_grad():
        own = model(**given, output_hidden_states=True, output_attentions=True)
    states = torch.cat(own.hidden_states).double().numpy()
    rows = torch.cat(own.attentions).numpy()
    return SimpleNamespace(
        family=family, model=model, pair=pair, text=text, given=given, states=states, rows=rows
    )


def test_states_and_rows_are_those_of_the_model(small):
    trajectory = probe.extract(small.pair, small.text, attention=True)
    states = states_of(trajectory)
    assert states.shape == small.states.shape
    # The same float32 operations twice, through float64 unit points.
    np.testing.assert_allclose(states[:-1], small.states[:-1], rtol=1e-6, atol=1e-6)
    assert trajectory.attention is not None
    np.testing.assert_allclose(trajectory.attention[:-1], small.rows, rtol=0, atol=1e-6)
    facts = trajectory.provenance
    assert (facts["family"], facts["heads"]) == (small.family, HEADS)
    assert facts["causal"] == (small.family not in ENCODERS)
    assert facts["scheme"] == ("post" if small.family in POST else "pre")
    assert facts["centred"] == (small.family not in ROOT_MEAN_SQUARE)
    assert facts["parallel"] == (small.family in PARALLEL)
    assert facts["output_norm"] == (small.family in ("gemma2", "gemma3_text", "olmo2"))


def test_a_silenced_feed_forward_part_writes_nothing(small):
    run, own = (probe.extract(small.pair, small.text, silenced=blocks) for blocks in ([1], ()))
    assert run.provenance["silenced"] == [1]
    np.testing.assert_array_equal(run.points[:2], own.points[:2])
    assert abs(run.points[2] - own.points[2]).max() > 1e-3
    again = probe.extract(small.pair, small.text)
    np.testing.assert_array_equal(again.points, own.points)  # and speaks again
    if small.family in POST:  # what the last norm makes of the state in between: test_dynamics has it
        return
    states = states_of(run)
    if small.family in PARALLEL:
        made: list[torch.Tensor] = []
        attention = small.model.get_submodule(PARALLEL[small.family])
        handle = attention.register_forward_hook(lambda module, given, output: made.append(output[0][0]))
        with torch.no_grad():
            small.model(**small.given)
        handle.remove()
        # The state behind the block, in float32, less what it was before.
        np.testing.assert_allclose(states[2], states[1] + made[0].double().numpy(), rtol=1e-5, atol=1e-6)
        return
    halves = probe.extract(small.pair, small.text, silenced=[1], sublayers=True)
    np.testing.assert_array_equal(halves.points[3], halves.points[4])
    assert abs(halves.points[5] - halves.points[6]).max() > 1e-3


def test_a_block_that_is_not_there_cannot_be_silenced(small):
    with pytest.raises(ValueError, match=r"silenced must be blocks from 0 to 2 of .*, got \[3\]"):
        probe.extract(small.pair, small.text, silenced=[3])


def test_the_frame_read_is_what_the_matrices_are_given(small):
    run = probe.extract(small.pair, small.text, frame="read")
    if small.family in POST:
        np.testing.assert_array_equal(run.points, probe.extract(small.pair, small.text).points)
        return
    if small.family not in READERS:
        return
    made: list[torch.Tensor] = []
    second, last = READERS[small.family]
    handles = [
        small.model.get_submodule(name).register_forward_hook(
            lambda module, given, output: made.append(output[0])
        )
        for name in (second.replace(".1.", ".0."), second, last)
    ]
    with torch.no_grad():
        small.model(**small.given)
    for handle in handles:
        handle.remove()
    # float32 there, and the same norm in float64 here.
    for depth, expected in zip((0, 1, -1), made):
        np.testing.assert_allclose(states_of(run)[depth], expected.double().numpy(), rtol=1e-5, atol=1e-5)


def test_the_last_state_is_before_the_final_norm(small):
    """transformers has the last block's output there in some families, in others what the final norm makes of it."""
    last = states_of(probe.extract(small.pair, small.text))[-1]
    final = load(small.pair).structure.last
    if np.allclose(last, small.states[-1], rtol=1e-6, atol=1e-6):
        return
    assert final.norm is not None
    assert not final.made
    norm: Any = final.norm.module
    with torch.no_grad():
        normed: Any = norm(torch.from_numpy(last).float()).numpy()
    np.testing.assert_allclose(normed, small.states[-1], rtol=1e-5, atol=1e-5)


def test_the_frame_is_what_the_norms_read(small):
    """x / |x| where norms take no mean off; what enters the norm, standardised, where a norm makes the state."""
    trajectory = probe.extract(small.pair, small.text, frame="layernorm")
    if small.family in ROOT_MEAN_SQUARE:
        raw = probe.extract(small.pair, small.text)
        np.testing.assert_array_equal(trajectory.points, raw.points)
        np.testing.assert_array_equal(trajectory.norms, raw.norms)
        return
    np.testing.assert_allclose(trajectory.points.mean(axis=-1), 0, atol=1e-15)
    if small.family not in POST:
        before = 1 if small.family == "modernbert" else 0  # whose first state is what a norm makes
        centred = small.states - small.states.mean(axis=-1, keepdims=True)
        expected = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
        np.testing.assert_allclose(trajectory.points[before:-1], expected[before:-1], rtol=0, atol=1e-6)
        return
    norms = [place.norm for place in load(small.pair).states()]
    for norm, state, undone in list(zip(norms, small.states, states_of(trajectory)))[1:]:
        assert norm is not None
        module: Any = norm.module
        gain, bias = (part.detach().double().numpy() for part in (module.weight, module.bias))
        np.testing.assert_allclose(gain * undone + bias, state, rtol=1e-5, atol=1e-5)


def test_the_state_between_the_parts(small):
    if small.family in PARALLEL:
        with pytest.raises(ValueError, match="side by side"):
            probe.extract(small.pair, small.text, sublayers=True)
        return
    if small.family == "albert":  # test_sublayers has it
        return
    name, end = BETWEEN[small.family]
    module, kept = small.model.get_submodule(name), []
    if end == "input":
        handle = module.register_forward_pre_hook(lambda module, given: kept.append(given[0]))
    else:
        handle = module.register_forward_hook(
            lambda module, given, made: kept.append(made if isinstance(made, torch.Tensor) else made[0])
        )
    with torch.no_grad():
        small.model(**small.given)
    handle.remove()
    states = states_of(probe.extract(small.pair, small.text, sublayers=True))
    np.testing.assert_allclose(states[3], kept[0].reshape(states[3].shape), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(states[2:-1:2], small.states[1:-1], rtol=1e-6, atol=1e-6)


def test_the_other_mask_is_the_other_mask(small):
    """Under a causal mask no token moves an earlier one; without it the last one moves the first."""
    if small.family == OWN_MASK:
        with pytest.raises(ValueError, match="takes no other"):
            probe.extract(small.pair, small.text, causal=False)
        assert "not causal" not in controls(small.pair, small.text)
        return
    causal = small.family in ENCODERS
    run = probe.extract(small.pair, small.text, causal=causal, attention=True)
    assert run.attention is not None
    above = np.triu(np.ones(run.attention.shape[-2:], bool), 1)
    if causal:
        assert not run.attention[:-1][..., above].any()
    else:  # what a window hides of earlier tokens it hides of later ones
        np.testing.assert_array_equal(run.attention[:-1] > 0, run.attention[:-1].transpose(0, 1, 3, 2) > 0)
        assert (run.attention[:-1][..., above] > 0).any(axis=-1).all()
    below = np.tril(np.ones(run.attention.shape[-2:], bool))
    np.testing.assert_array_equal(run.attention[:-1][..., below] > 0, small.rows[..., below] > 0)
    if small.family not in OF_IMAGES:
        cut = probe.extract(small.pair, " ".join(TEXT.split()[:-1]), causal=causal)
        moved = np.abs(cut.points[-1] - run.points[-1, :-1]).max()
        assert (moved < 1e-5) == causal


def test_random_weights_are_read_too(small):
    run = probe.extract(small.pair, small.text, init="random", seed=3, frame="layernorm", attention=True)
    assert run.points.shape == small.states.shape
    assert run.provenance["init"] == "random"


def test_what_was_found_is_said(small):
    structure = load(small.pair).structure
    assert max(block.deviation for block in structure.blocks) < 1e-6  # 8 roundings of float32 are 5e-7
    assert max(block.row_deviation for block in structure.blocks) < 1e-6
    assert structure.same_states is not None
    assert structure.same_states >= 3


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama", "gpt_neox"])
def test_a_part_that_writes_nothing_moves_no_place(family):
    """With the feed-forward parts silenced, or attention, the sums are shorter and the states where they were."""
    names = {"gpt2": ("mlp.c_proj", "attn.c_proj"), "llama": ("mlp.down_proj", "self_attn.o_proj")}
    names["bert"] = ("output.dense", "attention.output.dense")
    names["gpt_neox"] = ("mlp.dense_4h_to_h", "attention.dense")
    for silent in names[family]:
        model = small_model(family)
        for block in stack(model):
            for parameter in block.get_submodule(silent).parameters():
                parameter.data.zero_()
        whole, changed = structure_of(small_model(family)), structure_of(model)
        for first, second in zip(whole.blocks, changed.blocks, strict=True):
            assert second.after.made == first.after.made
            if silent == names[family][0]:
                assert second.arrangement == first.arrangement
                assert (second.between is None) == (first.between is None)
        trajectory = probe.extract((model, word_tokenizer()), TEXT)
        assert len(trajectory.depth) == 4
