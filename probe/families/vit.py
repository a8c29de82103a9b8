"""ViT: pre-LN, bidirectional; its tokens are a class token and the patches of an image, row by row."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, linear


def _states(model: Any) -> list[Site]:
    return [Site(model.embeddings.dropout), *map(Site, model.layers)]


def _sublayers(model: Any) -> list[Site]:
    """The residual that the second norm reads."""
    return [Site(block.layernorm_after, "input") for block in model.layers]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attention for block in model.layers]


def _projections(model: Any) -> list[Projections]:
    return [_projected(block.layernorm_before, block.attention) for block in model.layers]


def _projected(norm: nn.LayerNorm, heads: Any) -> Projections:
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.o_proj))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(
    name="vit",
    architecture="ViTModel",
    scheme="pre",
    causal=lambda config: False,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    reads="image",
    options={"add_pooling_layer": False},
)
