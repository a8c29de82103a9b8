"""The runs that are read out of a model: a text through its layers."""

from functools import lru_cache
from typing import Any

from probe.extraction import extract
from probe.loading import LoadedModel, load
from sim import Trajectory


@lru_cache(maxsize=1)
def loaded_once(model: str, revision: str | None, files: str) -> LoadedModel:
    """Kept for the runs of one model, which follow each other, until the digest of its files is another."""
    del files
    return load(model, revision=revision)


def extracted(
    *,
    model: str,
    files: str,
    text: str,
    revision: str | None = None,
    other_mask: bool = False,
    **options: Any,
) -> Trajectory:
    """A text read through a model, under the mask that the model does not have where `other_mask`."""
    loaded = loaded_once(model, revision, files)
    causal = not loaded.causal if other_mask else None
    return extract(loaded, text, causal=causal, **options)
