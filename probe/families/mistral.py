"""Mistral: Llama's blocks, whose tokens see a window of the latest ones."""

from dataclasses import replace
from typing import Any

from .family import Projections, rotation
from .llama import FAMILY as LLAMA
from .llama import projected


def _projections(model: Any) -> list[Projections]:
    turned, window = rotation(model.rotary_emb), model.config.sliding_window
    return [projected(block)._replace(rotation=turned, window=window) for block in model.layers]


FAMILY = replace(LLAMA, name="mistral", projections=_projections)
