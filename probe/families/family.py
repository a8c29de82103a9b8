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


class Rotation(NamedTuple):
    """Rotary positions: pairs of entries of a query or key turn by the token's place times their frequency.

    frequencies: radians a place, of the first pairs; the entries that no pair has stay as they are. interleaved:
    whether entries 2p and 2p + 1 are a pair, in place of p and p + the number of pairs. scale: factor of the entries
    that turn, in queries and in keys.
    """

    frequencies: Float[torch.Tensor, " pair"]
    interleaved: bool = False
    scale: float = 1.0


class Projections(NamedTuple):
    """The weights of one layer's attention, the heads one below the other in query, key and value.

    norm: the norm whose output is read; None where what is read comes from no norm. key, value: fewer heads than those
    of query where several share one, in order. output: columns in the order of the heads. scale: factor of
    <query, key> in the logits. query_norm, key_norm: norms of each head's query and key, before they turn. softcap: c
    of c tanh(logit / c). window: how many tokens a token sees, itself included; all where None. slopes: of each head,
    what a place further back takes off the logit (ALiBi). output_norm: norm of what is written, before it is added.
    """

    norm: nn.Module | None
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    scale: float
    rotation: Rotation | None = None
    query_norm: nn.Module | None = None
    key_norm: nn.Module | None = None
    softcap: float | None = None
    window: int | None = None
    slopes: Float[torch.Tensor, " head"] | None = None
    output_norm: nn.Module | None = None


def unknown_projections(model: Any) -> list[Projections]:
    """Of a family that says nothing of its weights. Raises ValueError."""
    raise ValueError(
        f"what the attention of {model.config.model_type} computes is not known here as a field: use "
        "extract(model, text, attention=True) for its rows"
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
    by_place: whether its logits depend on the places of tokens (rotary, ALiBi, windows), so that its fields are for a
        number of tokens.
    positions: config -> how many tokens it takes at most; None where there is no limit.
    takes_mask: whether its attention takes another mask than its own.
    """

    name: str
    projections: Callable[[Any], list[Projections]] = unknown_projections
    values: Callable[[Any], list[torch.Tensor]] | None = None
    blocks: Callable[[Any], Sequence[nn.Module]] | None = None
    iterates: Callable[[Any], bool] = lambda config: False
    by_place: bool = False
    positions: Callable[[Any], int | None] = plain_positions
    takes_mask: bool = True

    @property
    def has_operators(self) -> bool:
        """Whether `projections` says what attention computes, so that it is a field."""
        return self.projections is not unknown_projections


def linear(module: nn.Linear) -> Linear:
    """The map of a linear module."""
    return Linear(module.weight, module.bias)


def parts(module: nn.Linear, groups: int, *sizes: int) -> list[Linear]:
    """The maps that one linear module makes side by side: in each of `groups` equal groups of rows, so many of each."""

    def split(rows: torch.Tensor) -> list[torch.Tensor]:
        return [part.flatten(0, 1) for part in rows.unflatten(0, (groups, -1)).split(sizes, dim=1)]

    weights, biases = split(module.weight), [None] * len(sizes) if module.bias is None else split(module.bias)
    return [Linear(weight, bias) for weight, bias in zip(weights, biases)]


def rotation(embedding: Any, kind: str = "") -> Rotation:
    """That of a module of transformers which makes the cosines and sines; kind: of the layer, where kinds differ.

    Raises ValueError where its frequencies depend on the number of tokens.
    """
    rule = embedding.rope_type[kind] if kind else embedding.rope_type
    if rule in ("dynamic", "longrope"):
        raise ValueError(
            f"rotary positions of the kind {rule!r} depend on the number of tokens, so no field has them: use "
            "extract(model, text, attention=True) for the attention rows"
        )
    before = f"{kind}_" if kind else ""
    return Rotation(
        getattr(embedding, f"{before}inv_freq"), scale=getattr(embedding, f"{before}attention_scaling")
    )
