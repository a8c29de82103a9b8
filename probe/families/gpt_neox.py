"""GPT-NeoX (Pythia): causal, pre-LN, rotary; the two parts of a block may run side by side."""

from typing import Any

from .family import Family, Projections, linear, parts, rotation


def _projections(model: Any) -> list[Projections]:
    turned = rotation(model.rotary_emb)
    return [_projected(block)._replace(rotation=turned) for block in model.layers]


def _projected(block: Any) -> Projections:
    """The rows of the fused matrix are query, key and value of the first head, then those of the second."""
    heads = block.attention
    maps = parts(heads.query_key_value, heads.config.num_attention_heads, *[heads.head_size] * 3)
    return Projections(block.input_layernorm, *maps, output=linear(heads.dense), scale=heads.scaling)


FAMILY = Family(name="gpt_neox", projections=_projections, by_place=True)
