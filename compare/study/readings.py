"""The runs that are read out of a model: a text through its layers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from compare.metrics.exclusions import rogue_coordinates, stating
from compare.study.subjects import Text, default_texts
from probe.extraction import extract
from probe.inputs import text_inputs
from probe.loading import LoadedModel, load
from sim import Trajectory
from sim.trajectory import in_single_precision

ROGUE_TOKENS = 96
THIRDS = 3
LEAST_WORDS = 4


@lru_cache(maxsize=1)
def loaded_once(model: str, revision: str | None, files: str) -> LoadedModel:
    """Kept for the runs of one model, which follow each other, until the digest of its files is another."""
    del files
    return load(model, revision=revision)


@lru_cache(maxsize=1)
def rogue_once(model: str, revision: str | None, files: str) -> tuple[int, ...]:
    """The rogue coordinates of a model on the sphere that its attention reads, for all its runs and controls.

    Chosen by `rogue_coordinates` on the first `ROGUE_TOKENS` tokens of `default_texts`, read with the weights as they
    are: they do not hang on what texts a study is about.
    """
    loaded = loaded_once(model, revision, files)
    read = [
        extract(loaded, one.text, frame="layernorm", max_tokens=_at_most(loaded)) for one in default_texts()
    ]
    return tuple(rogue_coordinates(read))


def require_words(model: str, texts: Sequence[Text], max_tokens: int | None) -> None:
    """Raise ValueError, by its name, for a text with too few different tokens for the model to be measured on it.

    One of them may be a sink, and three others are the fewest whose rotations are a null.
    """
    if not texts:
        return
    loaded = load(model)
    for text in texts if loaded.reads == "text" else ():
        try:
            read = text_inputs(loaded, text.text, max_tokens, None, 0)
        except ValueError as error:
            raise ValueError(f"text {text.name!r}: {error}") from error
        found = len({one for one, added in zip(read.facts["token_ids"], read.special) if not added})
        if found < LEAST_WORDS:
            raise ValueError(
                f"text {text.name!r} has {found} different tokens for {loaded.name}, and at least {LEAST_WORDS} are "
                "needed: give a longer one"
            )


def forget_models() -> None:
    """Let go of the model that was loaded last: the weights of one may be as large as all that is done after it."""
    loaded_once.cache_clear()


def with_rogue(made: Trajectory, model: str, revision: str | None, files: str) -> Trajectory:
    """A run of the model whose provenance says which coordinates are rogue in it."""
    return stating(made, rogue_once(model, revision, files))


def extracted(
    *,
    model: str,
    files: str,
    text: str,
    revision: str | None = None,
    other_mask: bool = False,
    every_coordinate: bool = False,
    silenced_third: int | None = None,
    range_factor: float | None = None,
    **options: Any,
) -> Trajectory:
    """A text read through a model.

    other_mask: under the mask that the model does not have. every_coordinate: with none of them rogue; so it is in the
    frame ``"read"``, which is what the matrices are given. silenced_third: the third of its blocks, from 0, whose
    feed-forward parts write nothing. range_factor: of random weights, their standard deviation over the model's own.

    Raises ValueError as `probe.extract` does.
    """
    loaded = loaded_once(model, revision, files)
    if other_mask:
        options["causal"] = not loaded.causal
    if silenced_third is not None:
        options["silenced"] = np.array_split(np.arange(len(loaded.blocks)), THIRDS)[silenced_third].tolist()
    if range_factor is not None:
        options["initializer_range"] = range_factor * _own_range(loaded)
    made = in_single_precision(extract(loaded, text, **options))
    if made.provenance["frame"] == "raw":
        return made
    whole = every_coordinate or made.provenance["frame"] == "read"
    return stating(made, ()) if whole else with_rogue(made, model, revision, files)


def _own_range(loaded: LoadedModel) -> float:
    own = getattr(loaded.model.config, "initializer_range", None)
    if own is None:
        raise ValueError(
            f"{loaded.name} draws its random weights by no initializer_range: ask for the usual changes only"
        )
    return float(own)


def _at_most(loaded: LoadedModel) -> int:
    return min(ROGUE_TOKENS, loaded.family.positions(loaded.model.config) or ROGUE_TOKENS)
