"""ALBERT: post-LN, bidirectional, one shared layer (or a few) applied again and again.

Its first state is a linear map of the normed embedding, so no norm makes it; each later state leaves the layer's
last norm, which fires once for each step of depth.
"""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear


def _layers(model: Any) -> list[Any]:
    """The layers in the order in which they are applied: step i uses group floor(i * groups / steps)."""
    steps, groups = model.config.num_hidden_layers, model.encoder.albert_layer_groups
    return [layer for step in range(steps) for layer in groups[step * len(groups) // steps].albert_layers]


def _states(model: Any) -> list[Site]:
    first = Site(model.encoder.embedding_hidden_mapping_in)
    return [first, *(Site(layer.full_layer_layer_norm) for layer in _layers(model))]


def _sublayers(model: Any) -> list[Site]:
    return [Site(layer.attention.LayerNorm) for layer in _layers(model)]


def _attentions(model: Any) -> list[nn.Module]:
    return [layer.attention for layer in _layers(model)]


def _projections(model: Any) -> list[Projections]:
    layers = _layers(model)
    norms = [None, *(layer.full_layer_layer_norm for layer in layers[:-1])]
    return [_projected(norm, layer.attention) for norm, layer in zip(norms, layers)]


def _projected(norm: nn.LayerNorm | None, heads: Any) -> Projections:
    maps = map(linear, (heads.query, heads.key, heads.value, heads.dense))
    return Projections(norm, *maps, scale=heads.scaling)


def _readable(tokenizer: Any, token: str) -> str:
    """SentencePiece writes the space before a word as ▁, which no byte alphabet has."""
    return token.replace("▁", " ") if "▁" in token else byte_level(tokenizer, token)


FAMILY = Family(
    name="albert",
    architecture="AlbertModel",
    scheme="post",
    causal=lambda config: False,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    readable=_readable,
    iterates=lambda config: config.num_hidden_groups == 1,
    options={"add_pooling_layer": False},
)
