"""GPT-NeoX (Pythia): causal, pre-LN, rotary; attention and feed-forward part read the same state, side by side."""

from typing import Any

import torch
from torch import nn

from .family import Family, Projections, Site, byte_level


def _states(model: Any) -> list[Site]:
    return [Site(model.emb_dropout), *map(Site, model.layers)]


def _sublayers(model: Any) -> list[Site]:
    if model.config.use_parallel_residual:
        raise ValueError(
            "this gpt_neox model runs attention and feed-forward part side by side, so no state stands between them: "
            "leave sublayers out"
        )
    return [Site(block.post_attention_layernorm, "input") for block in model.layers]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attention for block in model.layers]


def _projections(model: Any) -> list[Projections]:
    raise ValueError(
        "gpt_neox turns queries and keys by the place of each token (rotary embedding), so no sim.Attention is its "
        "attention: use extract(model, text, attention=True) for its rows"
    )


def _values(model: Any) -> list[torch.Tensor]:
    """The rows of the fused matrix are query, key and value of the first head, then those of the second."""
    split = (model.config.num_attention_heads, 3, -1)
    fused = [block.attention.query_key_value.weight for block in model.layers]
    return [weight.unflatten(0, split)[:, 2].flatten(0, 1) for weight in fused]


FAMILY = Family(
    name="gpt_neox",
    architecture="GPTNeoXModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    has_operators=False,
    values=_values,
    readable=byte_level,
)
