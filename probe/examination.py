"""What can be read of a model, and what not and why: each thing is tried on a few tokens."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from probe.forward import between, read
from probe.inputs import Inputs
from probe.loading import LoadedModel
from probe.structure import Norm
from probe.structure.trial import trial_inputs


class Layer(NamedTuple):
    """One block: its arrangement, the norm that attention reads through, and the worst deviations of its equations.

    equation: of the sums that make its output, over the length of a token's state. rows: of the sum of a row from 1.
    """

    block: int
    arrangement: str
    norm: str
    equation: float
    rows: float


class Examination(NamedTuple):
    """facts: of the model. layers: of each block. readable: what can be read -> "yes", or why it cannot."""

    facts: dict[str, Any]
    layers: list[Layer]
    readable: dict[str, str]


def examine(loaded: LoadedModel) -> Examination:
    """Try all that can be read of a model. Cost: four passes over 8 tokens, or over an image."""
    structure = loaded.structure
    facts = {
        "model": loaded.name,
        "family": loaded.family.name,
        "blocks": len(structure.blocks),
        "width": structure.width,
        "heads": structure.heads,
        "reads": loaded.reads,
        "scheme": structure.scheme,
        "causal": structure.causal,
        "centred": structure.centres,
        "epsilon": structure.epsilon,
        "quantisation": loaded.quantisation,
        "own hidden_states": _own_states(structure.same_states, len(structure.blocks) + 1),
    }
    layers = [
        Layer(number, block.arrangement, _named(block.reads), block.deviation, block.row_deviation)
        for number, block in enumerate(structure.blocks)
    ]
    return Examination(facts, layers, {what: _tried(attempt) for what, attempt in _attempts(loaded).items()})


def _attempts(loaded: LoadedModel) -> dict[str, Callable[[], Any]]:
    arguments = trial_inputs(loaded.model)
    tokens = loaded.structure.tokens
    inputs = Inputs(arguments, [""] * tokens, np.zeros(tokens, bool), {})
    return {
        "states": lambda: read(loaded, inputs, "layernorm", False, False, loaded.causal),
        "attention rows": lambda: read(loaded, inputs, "raw", True, False, loaded.causal),
        "states between attention and feed-forward part": lambda: between(loaded),
        "feed-forward parts silenced": lambda: read(
            loaded, inputs, "raw", False, False, loaded.causal, range(len(loaded.blocks))
        ),
        "the other mask": lambda: read(loaded, inputs, "raw", True, False, not loaded.causal),
        "learned operators": lambda: loaded.family.projections(loaded.model),
        "value matrices": lambda: (loaded.family.values or loaded.family.projections)(loaded.model),
    }


def _tried(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except ValueError as error:
        return f"no: {error}"
    return "yes"


def _own_states(same: int | None, depths: int) -> str:
    if same is None:
        return "of another number or shape than the states here, so not compared"
    return f"equal at {same} of {depths} depths" + (
        "" if same == depths else " (elsewhere they are behind a norm)"
    )


def _named(norm: Norm | None) -> str:
    if norm is None:
        return "none"
    return f"{'layer norm' if norm.centres else 'RMS norm'}, epsilon {norm.epsilon:.3g}"
