"""GPT-J: causal, pre-LN, rotary in pairs of neighbours; both parts of a block read the same norm, side by side."""

from typing import Any

import torch
from torch import nn

from .family import Family, Projections, Rotation, Site, byte_level, linear


def _states(model: Any) -> list[Site]:
    return [Site(model.drop), *map(Site, model.h)]


def _sublayers(model: Any) -> list[Site]:
    raise ValueError(
        "gptj runs attention and feed-forward part side by side, so no state stands between them: leave sublayers out"
    )


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attn for block in model.h]


def _projections(model: Any) -> list[Projections]:
    return [_projected(block) for block in model.h]


def _projected(block: Any) -> Projections:
    heads = block.attn
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    frequencies = 10000 ** (-torch.arange(0, heads.pos_embd_dim, 2) / heads.pos_embd_dim)
    return Projections(
        block.ln_1, *maps, scale=1 / heads.scale_attn, rotation=Rotation(frequencies, interleaved=True)
    )


FAMILY = Family(
    name="gptj",
    architecture="GPTJModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    has_operators=False,
    readable=byte_level,
    epsilon=lambda config: config.layer_norm_epsilon,
)
