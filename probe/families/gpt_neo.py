"""GPT-Neo: GPT-2's blocks, without a scale of the logits, and with a window in every other layer."""

from typing import Any

from .family import Family, Projections, linear


def _projections(model: Any) -> list[Projections]:
    return [_projected(block) for block in model.h]


def _projected(block: Any) -> Projections:
    heads = block.attn.attention
    maps = map(linear, (heads.q_proj, heads.k_proj, heads.v_proj, heads.out_proj))
    window = heads.config.window_size if heads.attention_type == "local" else None
    return Projections(block.ln_1, *maps, scale=1.0, window=window)


FAMILY = Family(name="gpt_neo", projections=_projections, by_place=True, takes_mask=False)
