"""GPT-2: causal, pre-LN, learned positions."""

from typing import Any

from torch import nn

from .family import Family, Linear, Projections


def _projections(model: Any) -> list[Projections]:
    return [_projected(block.ln_1, block.attn) for block in model.h]


def _projected(norm: nn.LayerNorm, attention: Any) -> Projections:
    """GPT-2 keeps its matrices transposed, and query, key and value in one."""
    weights, biases = attention.c_attn.weight.T.chunk(3), attention.c_attn.bias.chunk(3)
    query, key, value = (Linear(weight, bias) for weight, bias in zip(weights, biases))
    output = Linear(attention.c_proj.weight.T, attention.c_proj.bias)
    return Projections(norm, query, key, value, output, attention.scaling)


FAMILY = Family(name="gpt2", projections=_projections)
