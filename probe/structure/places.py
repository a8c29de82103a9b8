"""Where a state appears in a forward pass, and which norm it meets there."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import nn

from probe.structure.norms import Norm, described
from probe.structure.tracing import Event


class Site(NamedTuple):
    """The output of a module, or its first input that is one vector a token."""

    module: nn.Module
    end: Literal["input", "output"] = "output"


class Place(NamedTuple):
    """A state: its site, and the norm that reads it or, where `made`, whose output it is; None where no norm does."""

    site: Site
    norm: Norm | None = None
    made: bool = False


def read_by(state: Float[torch.Tensor, "token dim"], events: Sequence[Event]) -> Norm | None:
    """The first norm that takes a state."""
    for event in events:
        if event.given is not None and torch.equal(event.given, state):
            norm = described(event.module, state.shape[-1])
            if norm is not None:
                return norm
    return None


def made_by(state: Float[torch.Tensor, "token dim"], events: Sequence[Event]) -> Place | None:
    """The place of a state that is what a norm gives, the last of them that gave it."""
    for event in reversed(events):
        if event.made is not None and torch.equal(event.made, state) and event.given is not None:
            norm = described(event.module, state.shape[-1])
            if norm is not None:
                return Place(Site(event.module), norm, made=True)
    return None
