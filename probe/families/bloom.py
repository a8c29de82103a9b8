"""BLOOM: causal, pre-LN, its positions a bias of the logits that falls with distance (ALiBi)."""

from typing import Any

import torch

from .family import Family, Projections, linear, parts


def _projections(model: Any) -> list[Projections]:
    if model.config.apply_residual_connection_post_layernorm:
        raise ValueError(
            "this bloom model adds to what its norms made, not to its residual: no field does that"
        )
    return [_projected(block) for block in model.h]


def _projected(block: Any) -> Projections:
    """The rows of the fused matrix are query, key and value of the first head, then those of the second."""
    heads = block.self_attention
    maps = parts(heads.query_key_value, heads.num_heads, *[heads.head_dim] * 3)
    return Projections(
        block.input_layernorm,
        *maps,
        output=linear(heads.dense),
        scale=heads.inv_norm_factor,
        slopes=alibi_slopes(heads.num_heads),
    )


def alibi_slopes(heads: int) -> torch.Tensor:
    """2^(-8k/m), k = 1 to m, m the largest power of 2 up to heads; the others between those of 2m (2108.12409)."""
    whole = 2 ** (heads.bit_length() - 1)
    first = torch.arange(1, whole + 1) / whole
    between = (torch.arange(heads - whole) + 0.5) / whole
    return 2.0 ** (-8 * torch.cat([first, between]))


FAMILY = Family(name="bloom", projections=_projections, by_place=True)
