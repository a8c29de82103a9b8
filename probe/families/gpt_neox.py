"""GPT-NeoX (Pythia): causal, pre-LN, rotary; attention and feed-forward part read the same state, side by side."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear, parts, rotation


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
    turned = rotation(model.rotary_emb)
    return [_projected(block)._replace(rotation=turned) for block in model.layers]


def _projected(block: Any) -> Projections:
    """The rows of the fused matrix are query, key and value of the first head, then those of the second."""
    heads = block.attention
    maps = parts(heads.query_key_value, heads.config.num_attention_heads, *[heads.head_size] * 3)
    return Projections(block.input_layernorm, *maps, linear(heads.dense), scale=heads.scaling)


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
    readable=byte_level,
)
