"""Layouts that public checkpoints of each family come in: prefixes, heads, and buffers that models once kept."""

import pytest
import torch
import transformers
from safetensors.torch import save_file

from probe.architectures import architecture_of
from probe.weights import filled, stored

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
MASK = torch.ones(1, 1, 4, 4)
LAYOUTS = {
    "gpt2": (
        "GPT2LMHeadModel",
        {"transformer.h.0.attn.bias": MASK, "transformer.h.1.attn.masked_bias": MASK},
    ),
    "bert": ("BertForPreTraining", {"bert.embeddings.position_ids": MASK}),
    "albert": ("AlbertForPreTraining", {"albert.embeddings.position_ids": MASK}),
    "gpt_neox": (
        "GPTNeoXForCausalLM",
        {
            "gpt_neox.layers.0.attention.bias": MASK.byte(),
            "gpt_neox.layers.0.attention.masked_bias": MASK,
            "gpt_neox.layers.1.attention.rotary_emb.inv_freq": MASK,
        },
    ),
    "vit": ("ViTForMaskedImageModeling", {}),
    "roberta": ("RobertaForMaskedLM", {"roberta.embeddings.position_ids": MASK}),
    "xlm-roberta": ("XLMRobertaForMaskedLM", {"roberta.embeddings.position_ids": MASK}),
    "distilbert": ("DistilBertForMaskedLM", {}),
    "electra": ("ElectraForPreTraining", {"electra.embeddings.position_ids": MASK}),
    "deberta-v2": ("DebertaV2ForMaskedLM", {"deberta.embeddings.position_ids": MASK}),
    "modernbert": ("ModernBertForMaskedLM", {}),
    "llama": ("LlamaForCausalLM", {"model.layers.0.self_attn.rotary_emb.inv_freq": MASK}),
    "qwen2": ("Qwen2ForCausalLM", {}),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        {"transformer.h.0.attn.attention.bias": MASK, "transformer.h.0.attn.attention.masked_bias": MASK},
    ),
    "gptj": (
        "GPTJForCausalLM",
        {"transformer.h.0.attn.bias": MASK, "transformer.h.1.attn.masked_bias": MASK},
    ),
    "opt": ("OPTForCausalLM", {}),
    "bloom": ("BloomForCausalLM", {}),
    "falcon": ("FalconForCausalLM", {}),
    "t5": ("T5ForConditionalGeneration", {}),
    "dinov2": ("Dinov2ForImageClassification", {}),
    "clip_vision_model": ("CLIPVisionModelWithProjection", {"vision_model.embeddings.position_ids": MASK}),
}

CHANGES = {"gpt_neo": {"attention_types": [[["global", "local"], 1]]}}


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name, prefixed, tmp_path):
    architecture, (head, buffers) = architecture_of(name, "net"), LAYOUTS[name]
    whole = getattr(transformers, head)
    config = whole.config_class(**SMALL, **CHANGES.get(name, {}))
    saved = whole._from_config(config)
    tensors = {key: tensor.clone() for key, tensor in {**saved.state_dict(), **buffers}.items()}
    if not prefixed:
        tensors = {key.removeprefix(f"{saved.base_model_prefix}."): tensor for key, tensor in tensors.items()}
    save_file(tensors, tmp_path / "model.safetensors")
    model = filled(
        "net", stored("net", [tmp_path / "model.safetensors"]), architecture, config, torch.float32
    )
    own = saved.base_model.state_dict()
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, own[key], rtol=0, atol=0)
    weights = [key for key in model.state_dict() if key.endswith(".weight") and "shared" not in key]
    adapted = min(weights).replace(".weight", ".lora_A.weight")
    save_file(tensors | {adapted: torch.ones(8, 4)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="no place"):
        filled("net", stored("net", [tmp_path / "model.safetensors"]), architecture, config, torch.float32)
