"""Whether transformers computes a model alike in the ways that it has for attention."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from probe.structure.blocks import NotReadableError

TOLERANCE = 1e-4  # sums in another order are off by 1e-6
_ROUNDINGS = 100


@contextmanager
def attending(model: Any, implementation: str) -> Iterator[None]:
    """Inside, a model computes its attention in this way; one that has no choice stays as it is."""
    before = model.config._attn_implementation
    if before == implementation or not model._can_set_attn_implementation():
        yield
        return
    model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def check_agreement(model: Any, inputs: dict[str, Any]) -> None:
    """Hold eager attention, whose rows can be read, against the fused one.

    Where it is chosen when a model is built, two models of one block and equal random weights stand for it.

    Raises NotReadableError where they differ. Cost: two passes over the inputs.
    """
    if not getattr(model, "_supports_sdpa", False):
        return
    if model._can_set_attn_implementation():
        made = []
        for implementation in ("eager", "sdpa"):
            with attending(model, implementation):
                made.append(model(**inputs)[0])
    else:
        made = [_one_block(model, implementation)(**inputs)[0] for implementation in ("eager", "sdpa")]
    eager, fused = made
    off = float((eager - fused).norm() / eager.norm())
    if not off <= max(TOLERANCE, _ROUNDINGS * torch.finfo(eager.dtype).eps):
        raise NotReadableError(
            f"transformers computes it in two ways that are {off:.2g} apart (eager and fused attention), of which one "
            "is not what was trained: try another version of transformers"
        )


def _one_block(model: Any, implementation: str) -> Any:
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = type(model)._from_config(config, attn_implementation=implementation, dtype=model.dtype)
    return made.to(model.device).eval()
