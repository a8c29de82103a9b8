"""The runs that are read out of a model: of its own layers, and of the dynamics that its attention has learned."""

from functools import lru_cache
from typing import Any

from probe.dynamics import layer_by_layer
from probe.extraction import extract
from probe.loading import LoadedModel, load
from sim import Trajectory


@lru_cache(maxsize=1)
def _loaded(model: str, revision: str | None, files: str) -> LoadedModel:
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
    loaded = _loaded(model, revision, files)
    causal = not loaded.family.causal(loaded.model.config) if other_mask else None
    return extract(loaded, text, causal=causal, **options)


def learned(*, model: str, files: str, text: str, revision: str | None = None, **options: Any) -> Trajectory:
    """A text through the attention and the norms of a model alone, its feed-forward parts writing nothing."""
    return layer_by_layer(_loaded(model, revision, files), text, **options)
