"""The other mask: causal attention for a model that sees all tokens, and none for one that sees earlier ones only."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from probe.loading import LoadedModel

_MASK = "attention_mask"


@contextmanager
def masked(loaded: LoadedModel, causal: bool) -> Iterator[None]:
    """Inside, the blocks of a model get the mask that is asked for.

    What a token may see of earlier ones stays: the lower triangle of each block's own mask, windows included. Of later
    ones it sees none, or what they may see of it.

    Raises ValueError where the blocks take no mask.
    """
    if causal == loaded.causal:
        yield
        return
    modules = dict.fromkeys(block.module for block in loaded.blocks)

    def exchange(module: nn.Module, arguments: Any, options: Any) -> tuple[Any, Any]:
        call = inspect.signature(module.forward).bind(*arguments, **options)
        states = next(value for value in (*arguments, *options.values()) if isinstance(value, torch.Tensor))
        call.arguments[_MASK] = other(call.arguments.get(_MASK), states, causal)
        return call.args, call.kwargs

    for module in modules:
        if _MASK not in inspect.signature(module.forward).parameters:
            raise refusal(loaded)
    handles = [module.register_forward_pre_hook(exchange, with_kwargs=True) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def other(own: torch.Tensor | None, states: torch.Tensor, causal: bool) -> torch.Tensor:
    """A mask with the lower triangle of a model's own, which is added to the logits, or 1 where a token is seen.

    Each token sees itself, so that the diagonal says which.
    """
    tokens = states.shape[-2]
    if own is None:
        own = torch.zeros(1, 1, tokens, tokens, dtype=states.dtype, device=states.device)
    if own.ndim != 4 or own.shape[-2:] != (tokens, tokens):
        raise ValueError(f"a mask of shape {tuple(own.shape)} cannot be turned: leave causal out")
    later = torch.ones(tokens, tokens, dtype=torch.bool, device=own.device).triu(1)
    if not causal:
        return torch.where(later, own.mT, own)
    added = own.is_floating_point() and not bool(own.diagonal(dim1=-2, dim2=-1).any())
    return own.masked_fill(later, torch.finfo(own.dtype).min if added else 0)


def refusal(loaded: LoadedModel) -> ValueError:
    """What to say of a model that makes its mask itself."""
    return ValueError(
        f"{loaded.name} ({loaded.family.name}) makes its mask inside its attention and takes no other: leave causal out"
    )
