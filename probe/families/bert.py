"""BERT: post-LN, every state leaves a layer norm, the embedding included. Bidirectional unless made a decoder."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear


def _states(model: Any) -> list[Site]:
    return [Site(norm) for norm in _norms(model)]


def _norms(model: Any) -> list[nn.LayerNorm]:
    """The norms that make the states at depths 0 to L."""
    return [model.embeddings.LayerNorm, *(block.output.LayerNorm for block in model.encoder.layer)]


def _sublayers(model: Any) -> list[Site]:
    return [Site(block.attention.output.LayerNorm) for block in model.encoder.layer]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attention.self for block in model.encoder.layer]


def _projections(model: Any) -> list[Projections]:
    blocks = model.encoder.layer
    return [_projected(norm, block.attention) for norm, block in zip(_norms(model), blocks)]


def _projected(norm: nn.LayerNorm, attention: Any) -> Projections:
    heads = attention.self
    maps = map(linear, (heads.query, heads.key, heads.value, attention.output.dense))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(
    name="bert",
    architecture="BertModel",
    scheme="post",
    causal=lambda config: config.is_decoder,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    readable=byte_level,  # leaves a WordPiece as it is
    options={"add_pooling_layer": False},
)
