"""What `extract` must know about a family of models: where its states and its attention rows appear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn


@dataclass(frozen=True)
class Family:
    """One family of transformers, as functions on the bare model (without a head for its task).

    name: the ``model_type`` of the config.
    architecture: the class of the bare model in transformers.
    scheme: where the norm stands, ``"pre"`` x <- x + A(LN x) or ``"post"`` x <- LN(x + A) (2510.22026).
    causal: config -> whether a token attends to earlier tokens only.
    sites: model -> the modules whose outputs are the states at depths 0 to L, in the order in which they fire.
        A shared layer stands there once for each time it is applied. Where a norm makes the state, the site
        is that norm.
    attentions: model -> for each block, in the same order, the module whose second output is its attention rows.
    readable: (tokenizer, token) -> the characters that the token stands for.
    options: further arguments of the class, such as a pooler that is not wanted.
    """

    name: str
    architecture: str
    scheme: Literal["pre", "post"]
    causal: Callable[[Any], bool]
    sites: Callable[[Any], list[nn.Module]]
    attentions: Callable[[Any], list[nn.Module]]
    readable: Callable[[Any, str], str]
    options: Mapping[str, Any] = field(default_factory=dict)
