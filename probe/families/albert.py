"""ALBERT: post-LN, bidirectional, one shared layer (or a few) applied again and again.

Its first state is a linear map of the normed embedding, so no norm makes it; each later state leaves the layer's
last norm, which fires once for each step of depth.
"""

from typing import Any

from torch import nn

from .family import Family


def _layers(model: Any) -> list[Any]:
    """The layers in the order in which they are applied: step i uses group floor(i * groups / steps)."""
    steps, groups = model.config.num_hidden_layers, model.encoder.albert_layer_groups
    return [layer for step in range(steps) for layer in groups[step * len(groups) // steps].albert_layers]


def _sites(model: Any) -> list[nn.Module]:
    first = model.encoder.embedding_hidden_mapping_in
    return [first, *(layer.full_layer_layer_norm for layer in _layers(model))]


def _attentions(model: Any) -> list[nn.Module]:
    return [layer.attention for layer in _layers(model)]


def _readable(tokenizer: Any, token: str) -> str:
    """SentencePiece writes the space before a word as ▁."""
    return token.replace("▁", " ")


ALBERT = Family(
    name="albert",
    architecture="AlbertModel",
    scheme="post",
    causal=lambda config: False,
    sites=_sites,
    attentions=_attentions,
    readable=_readable,
    options={"add_pooling_layer": False},
)
