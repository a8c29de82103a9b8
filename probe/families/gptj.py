"""GPT-J: causal, pre-LN, rotary in pairs of neighbours; both parts of a block read the same norm, side by side."""

from typing import Any

import torch

from .family import Family, Projections, Rotation, linear


def _projections(model: Any) -> list[Projections]:
    return [_projected(block) for block in model.h]


def _projected(block: Any) -> Projections:
    heads = block.attn
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    frequencies = 10000 ** (-torch.arange(0, heads.pos_embd_dim, 2) / heads.pos_embd_dim)
    return Projections(
        block.ln_1, *maps, scale=1 / heads.scale_attn, rotation=Rotation(frequencies, interleaved=True)
    )


FAMILY = Family(name="gptj", projections=_projections, by_place=True)
