"""ViT: pre-LN, bidirectional; its tokens are a class token and the patches of an image, row by row."""

from typing import Any

from torch import nn

from .family import Family, Projections, linear


def _projections(model: Any) -> list[Projections]:
    return [_projected(block.layernorm_before, block.attention) for block in model.layers]


def _projected(norm: nn.LayerNorm, heads: Any) -> Projections:
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.o_proj))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(name="vit", projections=_projections)
