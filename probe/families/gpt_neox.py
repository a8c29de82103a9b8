"""GPT-NeoX (Pythia): rotary, so that its attention is no field of `sim`; its value matrices are known."""

from typing import Any

import torch

from .family import Family


def _values(model: Any) -> list[torch.Tensor]:
    """The rows of the fused matrix are query, key and value of the first head, then those of the second."""
    split = (model.config.num_attention_heads, 3, -1)
    fused = [block.attention.query_key_value.weight for block in model.layers]
    return [weight.unflatten(0, split)[:, 2].flatten(0, 1) for weight in fused]


FAMILY = Family(name="gpt_neox", values=_values)
