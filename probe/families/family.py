"""What is known of a family of models: where its states and attention rows appear, and what its layers compute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import nn


class Site(NamedTuple):
    """Where a state appears in a forward pass: the output of a module, or its first input.

    Where a norm makes the state, the site is the output of that norm.
    """

    module: nn.Module
    end: Literal["input", "output"] = "output"


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
    what a place further back takes off the logit (ALiBi).
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


@dataclass(frozen=True)
class Family:
    """One family of transformers, as functions on the bare model (without a head for its task).

    name: the ``model_type`` of the config.
    architecture: the class of the bare model in transformers.
    scheme: where the norm stands, ``"pre"`` x <- x + A(LN x) or ``"post"`` x <- LN(x + A) (2510.22026).
    causal: config -> whether a token attends to earlier tokens only.
    states: model -> the sites of the states at depths 0 to L, in the order in which they fire. A shared layer
        stands there once for each time it is applied.
    sublayers: model -> for each block, the site of the state between its attention and its feed-forward part.
    attentions: model -> for each block, the module whose second output is its attention rows.
    projections: model -> for each block, the weights of its attention.
    has_operators: whether `probe.dynamics` runs its attention alone, which knows neither RMSNorm nor positions yet.
    values: model -> for each block, W_V, the heads one below the other; that of `projections` where None.
    readable: (tokenizer, token) -> the characters that the token stands for.
    reads: ``"text"``, or ``"image"`` for pixel values.
    epsilon: config -> the number that its norms add to the variance.
    iterates: config -> whether one block is applied again and again, so that it can be applied more often.
    options: further arguments of the class, such as a pooler that is not wanted.

    `sublayers` and `projections` raise ValueError where the family has no such thing.
    """

    name: str
    architecture: str
    scheme: Literal["pre", "post"]
    causal: Callable[[Any], bool]
    states: Callable[[Any], list[Site]]
    sublayers: Callable[[Any], list[Site]]
    attentions: Callable[[Any], list[nn.Module]]
    projections: Callable[[Any], list[Projections]]
    has_operators: bool = True
    values: Callable[[Any], list[torch.Tensor]] | None = None
    readable: Callable[[Any, str], str] = lambda tokenizer, token: token
    reads: Literal["text", "image"] = "text"
    epsilon: Callable[[Any], float] = lambda config: config.layer_norm_eps
    iterates: Callable[[Any], bool] = lambda config: False
    options: Mapping[str, Any] = field(default_factory=dict)


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


def byte_level(tokenizer: Any, token: str) -> str:
    """Characters of a token in a byte alphabet, where Ġ is a space; a part of a character decodes to U+FFFD."""
    return tokenizer.convert_tokens_to_string([token])
