"""Qwen 2: Llama's blocks with biases of query, key and value, and a window in some layers."""

from dataclasses import replace
from typing import Any

from .family import Projections, rotation
from .llama import FAMILY as LLAMA
from .llama import projected


def _projections(model: Any) -> list[Projections]:
    turned = rotation(model.rotary_emb)
    return [
        projected(block)._replace(rotation=turned, window=block.self_attn.sliding_window)
        for block in model.layers
    ]


FAMILY = replace(LLAMA, name="qwen2", projections=_projections)
