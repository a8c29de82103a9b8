"""Group E1 of the post: the mean width of plateaus over the layer at which a repeated token collapses."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from compare.metrics.published.cosines import NEAR_ONE

SEPARATED, WEAK = 2.0, 1.0
REPEATED = "repeated"
KEYS = ("model", "init", "seed", "frame", "causal", "blocks")


@dataclass(frozen=True)
class TwoTimescales:
    """One model over its texts (post, Group E1).

    model, init, seed (of random weights), frame, causal, blocks: as in the provenance, None where it does not say.
    texts: how many; plateaus: how many of mass_near_one over all texts.
    mean_width: of them, in layers; NaN without any. collapse_layer: the first layer at which more than 0.9 of the
    pairs of the repeated token are near one; NaN where there is none or no such run. ratio: mean_width over
    collapse_layer; NaN where either is, and where the collapse is at layer 0. verdict, in the post's words:
    "CONFIRMED" for a ratio over 2, "WEAK" over 1, else "NO SEPARATION", "undefined" without a ratio.
    """

    model: str
    init: str | None
    seed: int | None
    frame: str | None
    causal: bool | None
    blocks: int | None
    texts: int
    plateaus: int
    mean_width: float
    collapse_layer: float
    ratio: float
    verdict: str


def two_timescales(measured: Iterable[xr.Dataset]) -> tuple[TwoTimescales, ...]:
    """The ratio of the slow to the fast time of each model, as published: mean plateau width over collapse layer.

    r = (mean width of the plateaus of mass_near_one, tolerance 0.10, pooled over real texts) / (first layer at which
    mass_near_one of the repeated token exceeds 0.9). A plateau from layer a to layer b is b - a + 1 wide, where the
    post leaves b - a possible.

    This compares two unlike runs, so a large value says little. The plateau detector finds plateaus in noise and in a
    mass that is 0 throughout, and the denominator is one small whole number of one text, so that 2 instead of 1
    halves the ratio. The post withdraws the magnitudes and announces another formula, which is nowhere stated.
    ``compare.judge`` has a definition of its own (H3).

    Arguments: measured, runs with ``measure(run, preset="published")``, in any order. Those of one model, weights,
    frame, mask and number of blocks belong together. Runs without a control are the texts, the run with the control
    ``"repeated"`` is the denominator (the mean over several), others are passed over.

    Returns one row for each such model with at least one text, in order of appearance.
    Raises ValueError for the measurements of another preset.

    Source: post, Group E1, and its public code.
    """
    texts: dict[tuple[object, ...], list[xr.Dataset]] = defaultdict(list)
    repeated: dict[tuple[object, ...], list[xr.Dataset]] = defaultdict(list)
    for run in measured:
        if run.attrs.get("preset") != "published":
            raise ValueError(
                f'Group E1 needs measurements with preset "published", got {run.attrs.get("preset")!r}: '
                'call measure(run, preset="published")'
            )
        facts = json.loads(run.attrs["provenance"])
        chosen = {None: texts, REPEATED: repeated}.get(facts.get("control"))
        if facts.get("model") and chosen is not None:
            chosen[tuple(facts.get(key) for key in KEYS)].append(run)
    return tuple(_row(key, runs, repeated.get(key, [])) for key, runs in texts.items())


def _row(key: tuple[object, ...], texts: list[xr.Dataset], repeated: list[xr.Dataset]) -> TwoTimescales:
    widths = np.concatenate([plateau_widths(run) for run in texts])
    layers = [collapse_layer(run) for run in repeated]
    width = float(widths.mean()) if len(widths) else np.nan
    layer = float(np.mean(layers)) if layers else np.nan
    ratio = width / layer if layer > 0 else np.nan
    facts: dict[str, Any] = dict(zip(KEYS, key))
    return TwoTimescales(
        **facts,
        texts=len(texts),
        plateaus=len(widths),
        mean_width=width,
        collapse_layer=layer,
        ratio=ratio,
        verdict=_verdict(ratio),
    )


def plateau_widths(measured: xr.Dataset) -> Float[np.ndarray, " plateau"]:
    """Number of depths of each plateau of mass_near_one, in order."""
    marks = measured["plateau"].sel(signal="mass_near_one").values
    return np.bincount(marks)[1:].astype(np.float64)


def collapse_layer(measured: xr.Dataset) -> float:
    """The first depth with mass_near_one > 0.9; NaN where there is none."""
    collapsed = np.flatnonzero(measured["mass_near_one"].values > NEAR_ONE)
    return float(measured["depth"].values[collapsed[0]]) if len(collapsed) else np.nan


def _verdict(ratio: float) -> str:
    if np.isnan(ratio):
        return "undefined"
    return "CONFIRMED" if ratio > SEPARATED else "WEAK" if ratio > WEAK else "NO SEPARATION"
