"""GPT-NeoX (Pythia): causal, pre-LN, rotary; attention and feed-forward part read the same state, side by side."""

from typing import Any

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


FAMILY = Family(
    name="gpt_neox",
    architecture="GPTNeoXModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    readable=byte_level,
)
