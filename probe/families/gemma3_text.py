"""Gemma 3, its text model: Gemma 2's blocks with norms of queries and keys; layers with a window turn faster."""

from dataclasses import replace
from typing import Any

from .family import Projections, rotation
from .gemma2 import FAMILY as GEMMA2
from .llama import projected


def _projections(model: Any) -> list[Projections]:
    turned = {kind: rotation(model.rotary_emb, kind) for kind in model.rotary_emb.layer_types}
    return [_projected(block, turned) for block in model.layers]


def _projected(block: Any, turned: dict[str, Any]) -> Projections:
    heads = block.self_attn
    return projected(block)._replace(
        rotation=turned[heads.layer_type],
        query_norm=heads.q_norm,
        key_norm=heads.k_norm,
        window=heads.sliding_window,
        output_norm=block.post_attention_layernorm,
    )


FAMILY = replace(GEMMA2, name="gemma3_text", projections=_projections)
