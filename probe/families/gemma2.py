"""Gemma 2: Llama's blocks with a norm after each part as well, a window in some layers, and capped logits."""

from dataclasses import replace
from typing import Any

from .family import Projections
from .qwen2 import FAMILY as QWEN2


def _projections(model: Any) -> list[Projections]:
    softcap = model.config.attn_logit_softcapping
    return [
        layer._replace(softcap=softcap, output_norm=block.post_attention_layernorm)
        for layer, block in zip(QWEN2.projections(model), model.layers)
    ]


FAMILY = replace(QWEN2, name="gemma2", projections=_projections)
