"""Gemma 2: Llama's blocks with a norm after each part as well, a window in some layers, and capped logits."""

from dataclasses import replace
from typing import Any

from .family import Projections, Site
from .qwen2 import FAMILY as QWEN2


def _sublayers(model: Any) -> list[Site]:
    return [Site(block.pre_feedforward_layernorm, "input") for block in model.layers]


def _projections(model: Any) -> list[Projections]:
    softcap = model.config.attn_logit_softcapping
    return [layer._replace(softcap=softcap) for layer in QWEN2.projections(model)]


FAMILY = replace(
    QWEN2, name="gemma2", architecture="Gemma2Model", sublayers=_sublayers, projections=_projections
)
