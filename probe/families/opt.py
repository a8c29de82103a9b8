"""OPT: causal, with learned positions; pre-LN, but for the 350M model, whose norms make its states."""

from typing import Any

from torch import nn

from .family import Family, Projections, linear


def _projections(model: Any) -> list[Projections]:
    blocks = model.decoder.layers
    if model.config.do_layer_norm_before:
        return [_projected(block.self_attn_layer_norm, block.self_attn) for block in blocks]
    norms = [None, *(block.final_layer_norm for block in blocks[:-1])]
    return [_projected(norm, block.self_attn) for norm, block in zip(norms, blocks)]


def _projected(norm: nn.Module | None, heads: Any) -> Projections:
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(name="opt", projections=_projections)
