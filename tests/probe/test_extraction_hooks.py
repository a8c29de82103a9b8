"""The hooks of `probe.extract`: which blocks fire, and that no hook stays behind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import probe
from probe.loading import load
from tests.helpers.small_models import TEXT, WORDS, family_tokenizer, small_model, states_of


def test_albert_hook_fires_once_for_each_step_of_depth():
    model, tokenizer = small_model("albert", head=True), family_tokenizer("albert")
    loaded = load((model, tokenizer))
    fired = []
    model.albert.encoder.albert_layer_groups[0].albert_layers[0].register_forward_hook(
        lambda *call: fired.append(call)
    )
    trajectory = probe.extract(loaded, TEXT)
    assert len(fired) == model.config.num_hidden_layers == len(trajectory.depth) - 1
    assert np.abs(np.diff(trajectory.points, axis=0)).max(axis=(1, 2)).min() > 0.01


def test_albert_with_groups_and_inner_layers():
    model = small_model("albert", head=True, num_hidden_groups=2, inner_group_num=2, num_hidden_layers=3)
    tokenizer = family_tokenizer("albert")
    with torch.no_grad():
        ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
        states = model.albert(input_ids=ids, output_hidden_states=True).hidden_states
    trajectory = probe.extract((model, tokenizer), TEXT)
    assert len(trajectory.depth) == 7
    np.testing.assert_allclose(states_of(trajectory), torch.cat(states).numpy(), rtol=1e-6, atol=1e-6)


def hooks_on(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_hooks_are_gone_after_success_and_failure(monkeypatch):
    model, tokenizer = small_model("gpt2", head=True), family_tokenizer("gpt2")
    with torch.no_grad():  # transformers leaves its own hooks for hidden_states where they are
        model(torch.tensor([[1]]), output_hidden_states=True)
    before = hooks_on(model)
    probe.extract((model, tokenizer), TEXT, attention=True)
    assert hooks_on(model) == before

    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(model.transformer.h[1].mlp, "forward", fail)
    with pytest.raises(ZeroDivisionError):
        probe.extract((model, tokenizer), TEXT, attention=True)
    assert hooks_on(model) == before


def test_a_block_that_does_not_fire_is_an_error(monkeypatch):
    for skipped in (1, 2):  # in the middle, and the last
        model, tokenizer = small_model("bert", head=True), family_tokenizer("bert")
        loaded = load((model, tokenizer))
        before = hooks_on(model)
        monkeypatch.setattr(
            model.bert.encoder.layer[skipped], "forward", lambda state, *rest, **options: state
        )
        with pytest.raises(RuntimeError, match="fired"):
            probe.extract(loaded, TEXT)
        assert hooks_on(model) == before


@pytest.fixture(scope="module")
def causal():
    return small_model("gpt2", head=True), family_tokenizer("gpt2")


@settings(max_examples=15, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=8))
def test_later_words_do_not_move_a_causal_model(causal, words):
    whole = probe.extract(causal, " ".join(words), frame="layernorm")
    start = probe.extract(causal, " ".join(words[:-1]), frame="layernorm")
    assert whole.tokens[: len(start.tokens)] == start.tokens
    np.testing.assert_allclose(whole.points[:, : len(start.tokens)], start.points, atol=1e-5)
