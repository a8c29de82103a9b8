"""GPT-NeoX (Pythia), from a random config: the family that was added by one file."""

import numpy as np
import pytest
import torch

import probe
from tests.helpers.small_models import TEXT, small_model, word_tokenizer


@pytest.fixture(scope="module", params=[True, False], ids=["parallel", "in turn"])
def pair(request):
    return small_model("gpt_neox", head=True, use_parallel_residual=request.param), word_tokenizer()


def test_states_and_rows_are_those_of_the_model(pair):
    model, tokenizer = pair
    with torch.no_grad():
        ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
        outputs = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
    trajectory = probe.extract(pair, TEXT, attention=True)
    states = trajectory.points * trajectory.norms[..., None]
    expected = torch.cat(outputs.hidden_states).numpy()
    np.testing.assert_allclose(states[:-1], expected[:-1], rtol=1e-6, atol=1e-6)
    with torch.no_grad():  # transformers puts the final norm over the last state
        last = model.gpt_neox.final_layer_norm(torch.from_numpy(states[-1]).float()).numpy()
    np.testing.assert_allclose(last, expected[-1], rtol=1e-5, atol=1e-5)
    assert np.abs(states[-1] - expected[-1]).max() > 0.1
    assert trajectory.attention is not None
    np.testing.assert_allclose(trajectory.attention[:-1], torch.cat(outputs.attentions), atol=1e-6)
    assert trajectory.provenance["family"] == "gpt_neox"
    assert trajectory.provenance["causal"]


def test_sublayers_only_where_the_parts_run_in_turn(pair):
    model, _ = pair
    if model.config.use_parallel_residual:
        with pytest.raises(ValueError, match="side by side"):
            probe.extract(pair, TEXT, sublayers=True)
        return
    trajectory = probe.extract(pair, TEXT, sublayers=True)
    states = torch.from_numpy(trajectory.points * trajectory.norms[..., None]).float()
    for layer, block in enumerate(model.gpt_neox.layers):
        with torch.no_grad():
            after = states[2 * layer + 1] + block.mlp(block.post_attention_layernorm(states[2 * layer + 1]))
        np.testing.assert_allclose(after, states[2 * layer + 2], rtol=1e-5, atol=1e-5)


def test_its_fields_are_for_a_number_of_tokens(pair):
    with pytest.raises(ValueError, match=r"say for how many the fields are, operators\(..., tokens=n\)"):
        probe.operators(pair)
    angles = probe.operators(pair, tokens=5)[0].angles
    assert angles is not None
    assert len(angles) == 5
