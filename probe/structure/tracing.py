"""One pass of a model in which every module says what it took and gave."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import nn

ROW_SUM_SLACK = 1e-5


class Event(NamedTuple):
    """One call of a module: the first vectors that it took and gave, one a token, and attention rows in its output.

    place: where the rows stand in a tuple; None where they are the output itself. began, ended: counted over the begins
    and ends of all calls.
    """

    module: nn.Module
    given: Float[torch.Tensor, "token dim"] | None
    made: Float[torch.Tensor, "token dim"] | None
    rows: Float[torch.Tensor, "head token token"] | None
    place: int | None
    began: int
    ended: int


@contextmanager
def traced(
    model: nn.Module, blocks: Collection[nn.Module], read: Callable[[list[Event]], None]
) -> Iterator[list[Event]]:
    """Inside, every call of a module of `model` is appended to the list as it ends.

    The calls within a block, in the order in which they began, go to `read` as it ends, and not to the list.
    """
    events: list[Event] = []
    open_calls: list[tuple[nn.Module, Any, int]] = []
    clock = 0

    def begin(module: nn.Module, arguments: Any, options: Any) -> None:
        nonlocal clock
        given = next(_vectors([*arguments, *options.values()]), None)
        open_calls.append((module, given, clock))
        clock += 1

    def end(module: nn.Module, arguments: Any, output: Any) -> None:
        nonlocal clock
        caller, given, began = open_calls.pop()
        assert caller is module
        parts = list(output) if isinstance(output, list | tuple) else [output]
        made = next(_vectors(parts), None)
        tokens = None if given is None else len(given)
        place = next((at for at, part in enumerate(parts) if are_rows(part, tokens)), None)
        events.append(
            Event(
                module,
                given,
                made,
                None if place is None else parts[place][0].float(),
                place if place is not None and isinstance(output, list | tuple) else None,
                began,
                clock,
            )
        )
        clock += 1
        if module in inner:
            within = [event for event in events if event.began >= began]
            del events[len(events) - len(within) :]
            read(sorted(within, key=lambda event: event.began))

    inner = frozenset(blocks)
    handles = []
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(begin, with_kwargs=True))
        handles.append(module.register_forward_hook(end))
    try:
        yield events
    finally:
        for handle in handles:
            handle.remove()


def are_rows(value: Any, tokens: int | None = None) -> bool:
    """Whether a value is one non-negative matrix a head whose rows sum to 1."""
    if not (isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point()):
        return False
    batch, _, queries, keys = value.shape
    if batch != 1 or queries != keys or tokens not in (None, queries):
        return False
    slack = max(ROW_SUM_SLACK, keys * torch.finfo(value.dtype).eps)
    return bool((value >= 0).all() and ((value.float().sum(-1) - 1).abs() <= slack).all())


def _vectors(values: list[Any]) -> Iterator[Float[torch.Tensor, "token dim"]]:
    """Copies of the tensors that are one vector a token, of a batch of one."""
    for value in values:
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim in (2, 3):
            if value.ndim == 3 and value.shape[0] != 1:
                continue
            yield value.reshape(-1, value.shape[-1]).clone()
