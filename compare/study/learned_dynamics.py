"""The runs that a model's attention has learned to make, without the rest of its blocks."""

from typing import Any

from compare.study.readings import loaded_once, with_rogue
from probe.dynamics import layer_by_layer
from sim import Trajectory
from sim.trajectory import in_single_precision


def learned(*, model: str, files: str, text: str, revision: str | None = None, **options: Any) -> Trajectory:
    """A text through the attention and the norms of a model alone, its feed-forward parts writing nothing."""
    made = in_single_precision(layer_by_layer(loaded_once(model, revision, files), text, **options))
    return with_rogue(made, model, revision, files)
