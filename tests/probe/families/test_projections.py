"""Fields of families with positions, norms of queries and shared keys, against transformers itself."""

import numpy as np
import pytest
import torch
import transformers

import probe
from probe.dynamics import layer_by_layer, repeat
from probe.families import FAMILIES
from probe.learned_operators import shortening
from probe.loading import load
from tests.helpers.small_models import TEXT, word_tokenizer, written_by_attention

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
OPT = {"ffn_dim": 20, "word_embed_proj_dim": WIDTH, "pad_token_id": 0}
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
    "opt": ("opt", OPT),
    "opt, post-LN": ("opt", OPT | {"do_layer_norm_before": False}),
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


@pytest.mark.parametrize("case", CASES)
def test_rows_and_written_are_those_of_the_model(case):
    """To 1e-5 and 1e-4: the model multiplies in single precision, with logits of some tens."""
    model, family = small(*CASES[case]), FAMILIES[CASES[case][0]]
    loaded, layers = load((model, word_tokenizer())), family.projections(model)
    centres = loaded.structure.centres
    fields = probe.operators(loaded, tokens=TOKENS)
    with written_by_attention(loaded) as written:
        trajectory = probe.extract(loaded, TEXT, frame="layernorm", attention=True, max_tokens=TOKENS)
    assert trajectory.attention is not None
    reads = trajectory.points * shortening(trajectory)[..., None]
    for layer, (field, after) in enumerate(zip(fields, written, strict=True)):
        z = reads[layer]
        if layers[layer].norm is None:  # no norm made the embedding
            raw = probe.extract(loaded, TEXT, max_tokens=TOKENS)
            z = raw.points[0] * raw.norms[0][:, None] / np.sqrt(WIDTH)
        np.testing.assert_allclose(field.weights(z), trajectory.attention[layer], rtol=0, atol=1e-5)
        after = after - after.mean(axis=1, keepdims=True) if centres else after
        np.testing.assert_allclose(field.attend(z), after, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", ["llama", "gemma3_text", "gpt_neox"])
def test_attention_alone_is_the_model_whose_feed_forward_parts_write_nothing(case):
    model = small(*CASES[case])
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if "mlp.down_proj" in path or "mlp.dense_4h_to_h" in path:
                parameter.zero_()
    silent = (model, word_tokenizer())
    run = layer_by_layer(silent, TEXT)
    own = probe.extract(silent, TEXT, frame="layernorm")
    np.testing.assert_allclose(run.points, own.points, rtol=0, atol=1e-5)  # the model is in single precision
    np.testing.assert_allclose(run.norms, own.norms, rtol=1e-5)


def test_a_layer_with_positions_runs_as_a_flow():
    pair = (small(*CASES["llama"]), word_tokenizer())
    run = repeat(pair, TEXT, 1, [0, 0.01], causal=False)
    assert run.provenance["norm"] == "pre"
    assert "angles" in run.provenance["operators"]
    first, again = 0, TEXT.split().index("the", 1)
    np.testing.assert_array_equal(
        run.points[0, first], run.points[0, again]
    )  # one word, and no place in its embedding
    assert np.linalg.norm(run.points[1, first] - run.points[1, again]) > 1e-6
    with pytest.raises(ValueError, match="norms what its attention writes"):
        repeat((small(*CASES["gemma2"]), word_tokenizer()), TEXT, 0, [0, 1])
    with pytest.raises(ValueError, match="only without angles"):
        layer_by_layer(pair, TEXT, value="gradient")


@pytest.mark.parametrize(
    ("case", "changes", "message"),
    [
        (
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 100.0}},
            "dynamic",
        ),
        ("falcon, one key", {"alibi": True}, "adds twice"),
        ("bloom", {"apply_residual_connection_post_layernorm": True}, "no field does that"),
    ],
)
def test_variants_that_are_no_field_are_refused(case, changes, message):
    family, own = CASES[case]
    model = small(family, own | changes)
    with pytest.raises(ValueError, match=message):
        FAMILIES[family].projections(model)
