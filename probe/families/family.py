"""Facts of a family of models that no look at what a model computes would find: its weights, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import nn


class Linear(NamedTuple):
    """x -> weight x + bias; no bias where None."""

    weight: Float[torch.Tensor, "out width"]
    bias: Float[torch.Tensor, " out"] | None


class Projections(NamedTuple):
    """The weights of one layer's attention, the heads one below the other in query, key and value.

    norm: the layer norm whose output is read; None where what is read comes from no norm. output: columns in the
    order of the heads. scale: factor of <query, key> in the logits.
    """

    norm: nn.LayerNorm | None
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    scale: float


def unknown_projections(model: Any) -> list[Projections]:
    """Of a family that says nothing of its weights. Raises ValueError."""
    raise ValueError(
        f"what the attention of {model.config.model_type} computes is not known here as a field (positions by rotary "
        "embedding are not, for one): use extract(model, text, attention=True) for its rows"
    )


def plain_positions(config: Any) -> int | None:
    """What the config says, where it says anything."""
    return getattr(config, "max_position_embeddings", None)


@dataclass(frozen=True)
class Family:
    """One family of transformers, as functions on the bare model (without a head for its task).

    States, attention rows, norms and masks are found in each model (`probe.structure`); a family has a file only
    where more is known of it.

    name: the ``model_type`` of the config.
    projections: model -> for each block, the weights of its attention. Raises ValueError where they are not known.
    values: model -> for each block, W_V, the heads one below the other; that of `projections` where None.
    blocks: model -> its blocks in the order in which they are applied, where they are no plain list.
    iterates: config -> whether one block is applied again and again, so that it can be applied more often.
    positions: config -> how many tokens it takes at most; None where there is no limit.
    """

    name: str
    projections: Callable[[Any], list[Projections]] = unknown_projections
    values: Callable[[Any], list[torch.Tensor]] | None = None
    blocks: Callable[[Any], Sequence[nn.Module]] | None = None
    iterates: Callable[[Any], bool] = lambda config: False
    positions: Callable[[Any], int | None] = plain_positions

    @property
    def has_operators(self) -> bool:
        """Whether `projections` says what attention computes, so that it is a field."""
        return self.projections is not unknown_projections


def linear(module: nn.Linear) -> Linear:
    """The map of a linear module."""
    return Linear(module.weight, module.bias)
