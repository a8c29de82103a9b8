"""GPT-Neo: GPT-2's blocks, without a scale of the logits, and with a window in every other layer."""

from dataclasses import replace
from typing import Any

from torch import nn

from .family import Projections, linear
from .gpt2 import FAMILY as GPT2


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attn.attention for block in model.h]


def _projections(model: Any) -> list[Projections]:
    return [_projected(block) for block in model.h]


def _projected(block: Any) -> Projections:
    heads = block.attn.attention
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    window = heads.config.window_size if heads.attention_type == "local" else None
    return Projections(block.ln_1, *maps, scale=1.0, window=window)


FAMILY = replace(
    GPT2,
    name="gpt_neo",
    architecture="GPTNeoModel",
    attentions=_attentions,
    projections=_projections,
    has_operators=False,
)
