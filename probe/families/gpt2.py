"""GPT-2: causal, pre-LN. The last state is the output of the last block, before the final norm ``ln_f``."""

from typing import Any

from torch import nn

from .family import Family, Linear, Projections, Site, byte_level


def _states(model: Any) -> list[Site]:
    return [Site(model.drop), *map(Site, model.h)]


def _sublayers(model: Any) -> list[Site]:
    """The residual that the second norm reads."""
    return [Site(block.ln_2, "input") for block in model.h]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attn for block in model.h]


def _projections(model: Any) -> list[Projections]:
    return [_projected(block.ln_1, block.attn) for block in model.h]


def _projected(norm: nn.LayerNorm, attention: Any) -> Projections:
    """GPT-2 keeps its matrices transposed, and query, key and value in one."""
    weights, biases = attention.c_attn.weight.T.chunk(3), attention.c_attn.bias.chunk(3)
    query, key, value = (Linear(weight, bias) for weight, bias in zip(weights, biases))
    output = Linear(attention.c_proj.weight.T, attention.c_proj.bias)
    return Projections(norm, query, key, value, output, attention.scaling)


FAMILY = Family(
    name="gpt2",
    architecture="GPT2Model",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    readable=byte_level,
    epsilon=lambda config: config.layer_norm_epsilon,
)
