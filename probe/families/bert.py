"""BERT: post-LN, every state leaves a layer norm, the embedding included."""

from typing import Any

from torch import nn

from .family import Family, Projections, linear


def _projections(model: Any) -> list[Projections]:
    blocks = model.encoder.layer
    norms = [model.embeddings.LayerNorm, *(block.output.LayerNorm for block in blocks)]
    return [_projected(norm, block.attention) for norm, block in zip(norms, blocks)]


def _projected(norm: nn.LayerNorm, attention: Any) -> Projections:
    heads = attention.self
    maps = map(linear, (heads.query, heads.key, heads.value, attention.output.dense))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(name="bert", projections=_projections)
