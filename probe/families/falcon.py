"""Falcon: causal, pre-LN, rotary, few keys for many heads; the models with ALiBi are not read."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear, parts, rotation


def _states(model: Any) -> list[Site]:
    return [Site(model.h[0], "input"), *map(Site, model.h)]


def _sublayers(model: Any) -> list[Site]:
    if model.config.parallel_attn or model.config.new_decoder_architecture:
        raise ValueError(
            "this falcon model runs attention and feed-forward part side by side, so no state stands between them: "
            "leave sublayers out"
        )
    return [Site(block.post_attention_layernorm, "input") for block in model.h]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.self_attention for block in model.h]


def _projections(model: Any) -> list[Projections]:
    if model.config.alibi:
        raise ValueError(
            "this falcon model has ALiBi, which transformers adds twice in eager attention: use "
            "extract(model, text, attention=True) for the rows that it gives"
        )
    turned = rotation(model.rotary_emb)
    return [_projected(block)._replace(rotation=turned) for block in model.h]


def _projected(block: Any) -> Projections:
    """The fused matrix has the queries of each key, that key and its value, then the next."""
    heads = block.self_attention
    keys, size = heads.num_kv_heads, heads.head_dim
    maps = parts(heads.query_key_value, keys, heads.num_heads // keys * size, size, size)
    norm = block.ln_attn if hasattr(block, "ln_attn") else block.input_layernorm
    return Projections(norm, *maps, linear(heads.dense), scale=heads.inv_norm_factor)


FAMILY = Family(
    name="falcon",
    architecture="FalconModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    has_operators=False,
    readable=byte_level,
    epsilon=lambda config: config.layer_norm_epsilon,
)
