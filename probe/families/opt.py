"""OPT: causal, pre-LN, with learned positions; the 350M model, which is post-LN, is not read."""

from typing import Any

from torch import nn

from .family import Family, Projections, Site, byte_level, linear


def _blocks(model: Any) -> Any:
    if not model.config.do_layer_norm_before:
        raise ValueError(
            "this opt model has its norms after the parts of a block: only those before them are read"
        )
    return model.decoder.layers


def _states(model: Any) -> list[Site]:
    blocks = _blocks(model)
    return [Site(blocks[0], "input"), *map(Site, blocks)]


def _sublayers(model: Any) -> list[Site]:
    """The residual that the second norm reads."""
    return [Site(block.final_layer_norm, "input") for block in _blocks(model)]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.self_attn for block in _blocks(model)]


def _projections(model: Any) -> list[Projections]:
    return [_projected(block) for block in _blocks(model)]


def _projected(block: Any) -> Projections:
    heads = block.self_attn
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    return Projections(block.self_attn_layer_norm, *maps, scale=heads.scaling)


FAMILY = Family(
    name="opt",
    architecture="OPTModel",
    scheme="pre",
    causal=lambda config: True,
    states=_states,
    sublayers=_sublayers,
    attentions=_attentions,
    projections=_projections,
    readable=byte_level,
    epsilon=lambda config: 1e-5,
)
