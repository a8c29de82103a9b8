"""Fields of families with positions, norms of queries and shared keys, against transformers itself."""

import numpy as np
import pytest
import torch
import transformers

import probe
from probe.families import FAMILIES
from tests.helpers.small_models import word_tokenizer

TOKENS, WIDTH, HEADS, EPSILON = 9, 32, 4, 0.05
PLAIN = {
    "vocab_size": 50,
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 2,
    "max_position_embeddings": 16,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
LLAMA = {"intermediate_size": 20, "num_key_value_heads": 2, "rms_norm_eps": EPSILON, "pad_token_id": 0}
WINDOW = {"sliding_window": 4}
MIXED = WINDOW | {"layer_types": ["sliding_attention", "full_attention"]}
GEMMA = LLAMA | MIXED | {"head_dim": 8, "query_pre_attn_scalar": 5}
LONGER = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": 4}
CASES = {
    "llama": ("llama", LLAMA),
    "llama, yarn": ("llama", LLAMA | {"rope_parameters": LONGER, "attention_bias": True}),
    "mistral": ("mistral", LLAMA | WINDOW),
    "qwen2": ("qwen2", LLAMA | MIXED | {"use_sliding_window": True, "max_window_layers": 1}),
    "qwen3": ("qwen3", LLAMA | MIXED | {"use_sliding_window": True, "head_dim": 8}),
    "gemma2": ("gemma2", GEMMA | {"attn_logit_softcapping": 0.5}),
    "gemma3_text": ("gemma3_text", GEMMA),
    "phi3": ("phi3", LLAMA | WINDOW),
    "gpt_neox": ("gpt_neox", {"intermediate_size": 20, "layer_norm_eps": EPSILON}),
    "gptj": ("gptj", {"rotary_dim": 4, "layer_norm_epsilon": EPSILON}),
    "gpt_neo": (
        "gpt_neo",
        {"attention_types": [[["global", "local"], 1]], "window_size": 4, "layer_norm_epsilon": EPSILON},
    ),
    "opt": ("opt", {"ffn_dim": 20, "word_embed_proj_dim": WIDTH, "pad_token_id": 0}),
    "bloom": ("bloom", {"layer_norm_epsilon": EPSILON}),
    "bloom, 3 heads": ("bloom", {"layer_norm_epsilon": EPSILON, "num_attention_heads": 3, "hidden_size": 24}),
    "falcon, one key": ("falcon", {"alibi": False, "layer_norm_epsilon": EPSILON}),
    "falcon, 2 keys": (
        "falcon",
        {"alibi": False, "new_decoder_architecture": True, "num_kv_heads": 2, "bias": True},
    ),
    "falcon, a key a head": ("falcon", {"alibi": False, "multi_query": False, "parallel_attn": False}),
}


def small(family, changes, seed=3):
    """A model of two blocks, every weight, gain and bias moved by 0.3 times a normal number."""
    config = transformers.AutoConfig.for_model(family, **(PLAIN | changes))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(config, attn_implementation="eager").eval()
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


def read(model, family):
    """Of each block, as the model itself has them: what the norm before attention reads, rows, and what it writes."""
    states, rows, written = [], [], []

    def keep_state(module, given, made):
        states.append(given[0][0].double().numpy())

    def keep_rows(module, given, made):
        written.append(made[0][0].double().numpy())
        rows.append(made[1][0].double().numpy())

    handles = [layer.norm.register_forward_hook(keep_state) for layer in family.projections(model)]
    handles += [module.register_forward_hook(keep_rows) for module in family.attentions(model)]
    ids = torch.randint(1, 50, (1, TOKENS), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        model(ids, output_attentions=True, use_cache=False)
    for handle in handles:
        handle.remove()
    return states, rows, written


@pytest.mark.parametrize("case", CASES)
def test_rows_and_written_are_those_of_the_model(case):
    """To 1e-5 and 1e-4: the model multiplies in single precision, with logits of some tens."""
    model, family = small(*CASES[case]), FAMILIES[CASES[case][0]]
    states, rows, written = read(model, family)
    fields, layers = probe.operators((model, word_tokenizer()), tokens=TOKENS), family.projections(model)
    for field, state, weights, after, layer in zip(fields, states, rows, written, layers, strict=True):
        centred = isinstance(layer.norm, torch.nn.LayerNorm)
        epsilon = layer.norm.eps if hasattr(layer.norm, "eps") else layer.norm.variance_epsilon
        y = state - state.mean(axis=1, keepdims=True) if centred else state
        z = y / np.sqrt(np.sum(y**2, axis=1, keepdims=True) + y.shape[1] * epsilon)
        np.testing.assert_allclose(field.weights(z), weights, rtol=0, atol=1e-5)
        after = after - state if family.name == "bloom" else after  # its attention adds the residual itself
        after = after - after.mean(axis=1, keepdims=True) if centred else after
        np.testing.assert_allclose(field.attend(z), after, rtol=0, atol=1e-4)
