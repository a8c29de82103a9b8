"""Falcon: causal, pre-LN, rotary, few keys for many heads; of the models with ALiBi no field is known."""

from typing import Any

from .family import Family, Projections, linear, parts, rotation


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
    return Projections(norm, *maps, output=linear(heads.dense), scale=heads.inv_norm_factor)


FAMILY = Family(name="falcon", projections=_projections, by_place=True)
