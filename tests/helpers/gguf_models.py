"""A small Llama written as GGUF, as llama.cpp's converter writes one."""

import gguf
import numpy as np

from tests.helpers.small_models import WORDS

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(file, model, kind=gguf.GGMLQuantizationType.F32, architecture="llama"):
    """The file, with the weights of a bare Llama whose matrices are rounded to a type of GGUF."""
    config = model.config
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    letters = [chr(place) for place in range(33, 127)] + ["Ġ"]
    tokens = [*letters, "th", *WORDS, *(f"<{number}>" for number in range(120))][: config.vocab_size]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges(["t h", "th e"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    for name, tensor in model.state_dict().items():
        array = tensor.float().numpy()
        rounded = array.ndim == 2 and array.shape[1] % 32 == 0
        if "q_proj" in name or "k_proj" in name:
            array = _interleaved(array, config.head_dim)
        array = gguf.quantize(array, kind) if rounded else array
        writer.add_tensor(_name(name), array, raw_dtype=kind if rounded else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _name(name: str) -> str:
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, block, inner = name.split(".", 2)
    return f"blk.{block}.{_NAMES[inner.removesuffix('.weight')]}.weight"


def _interleaved(weight: np.ndarray, head_dim: int) -> np.ndarray:
    """Rotary pairs side by side, as llama.cpp has them."""
    halves = weight.reshape(-1, 2, head_dim // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)
