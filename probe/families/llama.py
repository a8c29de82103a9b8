"""Llama (SmolLM2, OLMo's kin): causal, pre-LN with RMSNorm, rotary, several heads to a key."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear, rotation


def _states(model: Any) -> list[Site]:
    return [Site(model.layers[0], "input"), *map(Site, model.layers)]


def _sublayers(model: Any) -> list[Site]:
    """The residual that the second norm reads."""
    return [Site(block.post_attention_layernorm, "input") for block in model.layers]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.self_attn for block in model.layers]


def _projections(model: Any) -> list[Projections]:
    turned = rotation(model.rotary_emb)
    return [projected(block)._replace(rotation=turned) for block in model.layers]


def projected(block: Any) -> Projections:
    """The projections of a block that has the parts of Llama's, without positions."""
    heads = block.self_attn
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.o_proj))
    return Projections(block.input_layernorm, *maps, scale=heads.scaling)


FAMILY = Family(
    name="llama",
    architecture="LlamaModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    has_operators=False,
    readable=byte_level,
    epsilon=lambda config: config.rms_norm_eps,
)
