"""Llama (SmolLM2, OLMo's kin): causal, pre-LN with RMSNorm, rotary, several heads to a key."""

from typing import Any

from .family import Family, Projections, linear, rotation


def _projections(model: Any) -> list[Projections]:
    turned = rotation(model.rotary_emb)
    return [projected(block)._replace(rotation=turned) for block in model.layers]


def projected(block: Any) -> Projections:
    """The projections of a block that has the parts of Llama's, without positions."""
    heads = block.self_attn
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.o_proj))
    return Projections(block.input_layernorm, *maps, scale=heads.scaling)


FAMILY = Family(name="llama", projections=_projections, by_place=True)
