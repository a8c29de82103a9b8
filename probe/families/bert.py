"""BERT: post-LN, every state leaves a layer norm, the embedding included. Bidirectional unless made a decoder."""

from typing import Any

from torch import nn

from .family import Family


def _sites(model: Any) -> list[nn.Module]:
    return [model.embeddings.LayerNorm, *(block.output.LayerNorm for block in model.encoder.layer)]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attention.self for block in model.encoder.layer]


def _readable(tokenizer: Any, token: str) -> str:
    """WordPiece as it is: ## goes on with a word."""
    return token


BERT = Family(
    name="bert",
    architecture="BertModel",
    scheme="post",
    causal=lambda config: config.is_decoder,
    sites=_sites,
    attentions=_attentions,
    readable=_readable,
    options={"add_pooling_layer": False},
)
