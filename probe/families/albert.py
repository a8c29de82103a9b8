"""ALBERT: one shared block (or a few) applied again and again, and post-LN.

Its first state is a linear map of the normed embedding, so no norm makes it; each later state leaves the block's last
norm.
"""

from typing import Any

from torch import nn

from .family import Family, Projections, linear


def _blocks(model: Any) -> list[Any]:
    """The blocks in the order in which they are applied: step i uses group floor(i * groups / steps)."""
    steps, groups = model.config.num_hidden_layers, model.encoder.albert_layer_groups
    return [block for step in range(steps) for block in groups[step * len(groups) // steps].albert_layers]


def _projections(model: Any) -> list[Projections]:
    blocks = _blocks(model)
    norms = [None, *(block.full_layer_layer_norm for block in blocks[:-1])]
    return [_projected(norm, block.attention) for norm, block in zip(norms, blocks)]


def _projected(norm: nn.LayerNorm | None, heads: Any) -> Projections:
    maps = map(linear, (heads.query, heads.key, heads.value, heads.dense))
    return Projections(norm, *maps, scale=heads.scaling)


FAMILY = Family(
    name="albert",
    projections=_projections,
    blocks=_blocks,
    iterates=lambda config: config.num_hidden_groups == 1,
)
