"""Statistics of the post over the texts of a model: onset of plateaus, and classes of heads."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

WEIGHT_LEVEL = 2.0
STABILITY = {1: "STABLE", 2: "VARIABLE", 3: "INCONSISTENT"}


@dataclass(frozen=True)
class AcrossTexts:
    """One model over its texts (post, Groups B3 and C3).

    onset_spread: standard deviation over the texts of the layer at which the first plateau of mass_near_one begins,
    NaN with fewer than two texts that have one. onset: "weight-level" below 2 layers, else "content-driven", ""
    where there is no spread. heads: how many head indices have one class on every text (STABLE), two (VARIABLE)
    and three (INCONSISTENT); the post averages a head index over layers, though the heads are unrelated.
    """

    model: str
    texts: int
    onset_spread: float
    onset: str
    heads: dict[str, int]


def across_texts(measured: Iterable[xr.Dataset]) -> tuple[AcrossTexts, ...]:
    """Group the published measurements of model runs by model, and summarise each model with at least two texts."""
    by_model: dict[str, list[xr.Dataset]] = defaultdict(list)
    for run in measured:
        by_model[str(json.loads(run.attrs["provenance"]).get("model", ""))].append(run)
    return tuple(_summary(model, runs) for model, runs in by_model.items() if model and len(runs) > 1)


def _summary(model: str, runs: list[xr.Dataset]) -> AcrossTexts:
    onsets = np.array([float(run["mass_plateau_onset"]) for run in runs])
    found = onsets[np.isfinite(onsets)]
    spread = float(np.std(found)) if len(found) > 1 else np.nan
    with_heads = [run["head_class"].values for run in runs if "head_class" in run]
    kinds = [len(set(head)) for head in zip(*with_heads)] if len(with_heads) > 1 else []
    return AcrossTexts(
        model=model,
        texts=len(runs),
        onset_spread=spread,
        onset="" if np.isnan(spread) else "weight-level" if spread < WEIGHT_LEVEL else "content-driven",
        heads={name: kinds.count(count) for count, name in STABILITY.items()} if kinds else {},
    )
