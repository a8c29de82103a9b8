"""Phi 3: Llama's blocks with query, key and value in one matrix, one below the other, and a window."""

from dataclasses import replace
from typing import Any

from .family import Projections, linear, parts, rotation
from .llama import FAMILY as LLAMA


def _projections(model: Any) -> list[Projections]:
    turned, window = rotation(model.rotary_emb), model.config.sliding_window
    return [_projected(block)._replace(rotation=turned, window=window) for block in model.layers]


def _projected(block: Any) -> Projections:
    heads = block.self_attn
    queries, keys = (
        number * heads.head_dim for number in (heads.config.num_attention_heads, heads.num_key_value_heads)
    )
    maps = parts(heads.qkv_proj, 1, queries, keys, keys)
    return Projections(block.input_layernorm, *maps, output=linear(heads.o_proj), scale=heads.scaling)


FAMILY = replace(LLAMA, name="phi3", projections=_projections)
