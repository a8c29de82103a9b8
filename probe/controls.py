"""The runs that a trained model's run is held against: the same text with one thing changed."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from probe.extraction import extract
from probe.inputs import CONTROLS
from probe.loading import LoadedModel, load
from sim.trajectory import Trajectory


def controls(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    text: str | Float[np.ndarray, "channel height width"],
    *,
    seeds: Sequence[int] = (0,),
    **options: Any,
) -> dict[str, Trajectory]:
    """The trained run of a text and its controls, by label, each with one thing changed.

    | label | what is changed | what stays |
    |---|---|---|
    | ``"trained"`` | nothing | |
    | ``"random S"`` | weights drawn anew from the config with seed S | architecture, tokens |
    | ``"shuffled S"`` | order of the tokens, with seed S | weights, tokens, special ones in place |
    | ``"repeated"`` | every ordinary token is the first one | weights, length, special ones |
    | ``"causal"`` or ``"not causal"`` | the mask is the other one | weights, tokens |

    An image has no shuffled and no repeated control, and a model that makes its mask itself (GPT-Neo) no other mask.

    Arguments
    ---------
    model, text, options: as of `extract`; a model that is given by name is loaded once.
    seeds: of the random weights and of the shuffling.

    Raises ValueError as `extract` does. Cost: a pass for each label, and a new model for each random one.
    """
    settings = {name: options.pop(name) for name in ("revision", "dtype", "device") if name in options}
    loaded = load(model, **settings)
    causal = loaded.causal
    runs: dict[str, dict[str, Any]] = {"trained": {}}
    runs |= {f"random {seed}": {"init": "random", "seed": seed} for seed in seeds}
    if loaded.reads == "text":
        shuffled, repeated = CONTROLS
        runs |= {f"{shuffled} {seed}": {"control": shuffled, "seed": seed} for seed in seeds}
        runs[repeated] = {"control": repeated}
    if loaded.family.takes_mask:
        runs["not causal" if causal else "causal"] = {"causal": not causal}
    return {label: extract(loaded, text, **options, **changed) for label, changed in runs.items()}


def length_sweep(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    text: str,
    lengths: Sequence[int],
    **options: Any,
) -> tuple[Trajectory, ...]:
    """The trajectories of the first tokens of one text, for each number of tokens in `lengths`, added ones included.

    model, text, options: as of `extract`; a model that is given by name is loaded once.

    Raises ValueError where the text is shorter than the longest, or as `extract` does.
    """
    settings = {name: options.pop(name) for name in ("revision", "dtype", "device") if name in options}
    loaded = load(model, **settings)
    found = tuple(extract(loaded, text, max_tokens=length, **options) for length in lengths)
    for length, trajectory in zip(lengths, found):
        if len(trajectory.tokens) < length:
            raise ValueError(
                f"the text has {len(trajectory.tokens)} tokens, so there is no length {length}: give a longer text"
            )
    return found
