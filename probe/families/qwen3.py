"""Qwen 3: Qwen 2's blocks with a norm of each head's query and key."""

from dataclasses import replace
from typing import Any

from .family import Projections
from .qwen2 import FAMILY as QWEN2


def _projections(model: Any) -> list[Projections]:
    heads = [block.self_attn for block in model.layers]
    return [
        layer._replace(query_norm=each.q_norm, key_norm=each.k_norm)
        for layer, each in zip(QWEN2.projections(model), heads)
    ]


FAMILY = replace(QWEN2, name="qwen3", projections=_projections)
