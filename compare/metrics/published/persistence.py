"""Group B1 to B3 of the post: the similarity of consecutive depths, and plateaus of a signal."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from compare.metrics.variable import Variable

LEAST_RANK_CKA = 3
LEAST_RANK_NEIGHBOURS = 2
LEAST_LENGTH = 3
RESET_COSINE = 0.05
RESET_RANK = 5

TOLERANCES = {
    "mass_near_one": 0.10,
    "effective_rank": 0.05,
    "spectral_clusters": 0.5,
    "hdbscan_clusters": 0.5,
    "sinkhorn_fiedler": 0.05,
    "cka": 0.02,
    "nn_stability": 0.02,
}
VOTERS = tuple(signal for signal in TOLERANCES if signal != "nn_stability")

VARIABLES = {
    "cka": Variable(
        ("depth",),
        "linear CKA with the depth before",
        "1",
        "post, Group B1",
        "|Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F) of the unit points of this depth and the one before, columns centred over "
        "tokens, clipped to [0, 1]; NaN at the first depth, where effective_rank < 3 or where the denominator < 1e-12",
    ),
    "cka_largest_drop": Variable(
        (),
        "largest drop of CKA",
        "1",
        "post, Group B1",
        "largest fall of cka between consecutive depths at which it is defined; the post calls it mild over 0.05 and "
        "sharp over 0.15; NaN for fewer than two",
    ),
    "nn_stability": Variable(
        ("depth",),
        "nearest-neighbour stability",
        "1",
        "post, Group B2",
        "share of tokens with the same nearest neighbour as at the depth before; NaN at the first depth and for a "
        "single token",
    ),
    "plateau": Variable(
        ("signal", "depth"),
        "plateau of a signal",
        "1",
        "post, Group B3",
        "number of the plateau of that signal that holds this depth, from 1 on; 0 for none. Found from left to right: "
        "3 consecutive defined values, then as many more as fit, with (max - min) / (|mean| + 1e-8) below the "
        "signal's tolerance throughout; nn_stability only where effective_rank >= 2; sinkhorn_fiedler as mean of heads",
    ),
    "plateau_votes": Variable(
        ("depth",),
        "signals on a plateau",
        "1",
        "post, Group B3",
        "number of signals with a plateau at this depth; nn_stability has no vote in the post's code",
    ),
    "multi_signal_plateau": Variable(
        (),
        "multi-signal plateau",
        "1",
        "post, Group B3",
        "at least 3 depths, and fewer than half of all, have plateau_votes >= 2",
    ),
    "mass_plateau_onset": Variable(
        (),
        "onset of the first mass plateau",
        "depth",
        "post, Group B3",
        "depth at which the first plateau of mass_near_one starts (tolerance 0.10); NaN where there is none",
    ),
    "spectral_merge": Variable(
        ("depth",),
        "eigengap count falls",
        "1",
        "post, Group B",
        "spectral_clusters is lower than at the depth before; marked at the later depth",
    ),
    "reset_event": Variable(
        ("depth",),
        "reset event",
        "1",
        "post, other flags",
        "mean_cosine falls by more than 0.05 and effective_rank rises by more than 5 from the depth before; marked at "
        "the later depth",
    ),
}


class Plateau(NamedTuple):
    """A flat run: positions of its first and last value, both inside, and the mean over it."""

    start: int
    end: int
    mean: float


def linear_cka(
    points: Float[np.ndarray, "depth token dim"], rank: Float[np.ndarray, " depth"]
) -> Float[np.ndarray, " depth"]:
    """Biased linear CKA of each depth with the one before (post, Group B1; Kornblith et al. 2019).

    Computed from centred token Gram matrices, by |Y^T X|_F^2 = <X X^T, Y Y^T>_F. With fewer tokens than dimensions the
    biased estimator is high for unrelated data too. Arguments: points; rank, the effective rank that gates a depth at
    3. Returns (depth,) in [0, 1]; NaN as `VARIABLES` says. Cost: O(depth token^2 dim).
    """
    result = np.full(len(points), np.nan)
    before = None
    for depth, here in enumerate(points):
        centred = here - here.mean(axis=0)
        inner = centred @ centred.T
        if before is not None and rank[depth] >= LEAST_RANK_CKA:
            denominator = np.linalg.norm(inner) * np.linalg.norm(before)
            if denominator >= 1e-12:
                result[depth] = np.clip(np.sum(inner * before) / denominator, 0, 1)
        before = inner
    return result


def neighbour_stability(neighbour: Int[np.ndarray, "depth token"]) -> Float[np.ndarray, " depth"]:
    """Share of tokens that keep their nearest neighbour from the depth before (post, Group B2)."""
    result = np.full(len(neighbour), np.nan)
    if neighbour.shape[1] > 1:
        result[1:] = np.mean(neighbour[1:] == neighbour[:-1], axis=1)
    return result


def plateaus(
    values: Shaped[np.ndarray, " depth"] | Sequence[float | int], tolerance: float, least: int = LEAST_LENGTH
) -> list[Plateau]:
    """Flat runs of a signal, greedily from left to right (post, Group B3).

    A run starts with `least` values and grows by one while (max - min) / (|mean| + 1e-8) < tolerance over the *whole*
    run; the search goes on behind its end. Arguments: values, (depth,) numbers or truth values, where NaN breaks a
    run; tolerance, relative; least, at least 1. Returns the runs in order.

    The detector has no null: zeros, white integer noise and random walks have plateaus too.
    """
    values = np.asarray(values, dtype=np.float64)
    found = []
    start = 0
    while start + least <= len(values):
        end = start + least
        if not _flat(values[start:end], tolerance):
            start += 1
            continue
        while end < len(values) and _flat(values[start : end + 1], tolerance):
            end += 1
        found.append(Plateau(start, end - 1, float(values[start:end].mean())))
        start = end
    return found


def _flat(run: Float[np.ndarray, " some"], tolerance: float) -> bool:
    return bool((run.max() - run.min()) / (abs(run.mean()) + 1e-8) < tolerance)


def plateau_marks(
    signal: Shaped[np.ndarray, " depth"], used: Bool[np.ndarray, " depth"], tolerance: float
) -> Int[np.ndarray, " depth"]:
    """Number of the plateau that holds each depth, 0 for none; depths that are not `used` are cut out first."""
    position = np.flatnonzero(used)
    marks = np.zeros(len(signal), int)
    for number, run in enumerate(plateaus(signal[position], tolerance), start=1):
        marks[position[run.start : run.end + 1]] = number
    return marks


def largest_drop(values: Float[np.ndarray, " depth"]) -> float:
    """Largest fall between consecutive defined values; negative where the signal only rises, NaN for fewer than two."""
    steps = np.diff(values[np.isfinite(values)])
    return float(np.max(-steps)) if len(steps) else np.nan


def transitions(
    points: Float[np.ndarray, "depth token dim"],
    measured: Mapping[str, Any],
    depth: Float[np.ndarray, " depth"],
) -> dict[str, np.ndarray]:
    """Groups B1 to B3 and the flags that compare a depth with the one before.

    Arguments: points; measured, the arrays of Groups A and C by name; depth, the values of the axis.
    Returns the arrays of `VARIABLES`; the signals of `plateau` are `plateau_signals(measured)`.
    """
    rank = measured["effective_rank"]
    signals = {
        **measured,
        "cka": linear_cka(points, rank),
        "nn_stability": neighbour_stability(measured["nearest_neighbour"]),
    }
    if "sinkhorn_fiedler" in measured:
        signals["sinkhorn_fiedler"] = measured["sinkhorn_fiedler"].mean(axis=1)
    names = plateau_signals(measured)
    marks = {}
    for name in names:
        used = np.isfinite(signals[name])
        if name == "nn_stability":
            used &= rank >= LEAST_RANK_NEIGHBOURS
        marks[name] = plateau_marks(signals[name], used, TOLERANCES[name])
    votes = sum((marks[name] > 0).astype(int) for name in names if name in VOTERS)
    shared = np.sum(votes >= 2)
    onset = np.flatnonzero(marks["mass_near_one"])
    return {
        "cka": signals["cka"],
        "cka_largest_drop": np.array(largest_drop(signals["cka"])),
        "nn_stability": signals["nn_stability"],
        "plateau": np.stack([marks[name] for name in names]),
        "plateau_votes": np.asarray(votes),
        "multi_signal_plateau": np.array(LEAST_LENGTH <= shared < len(depth) / 2),
        "mass_plateau_onset": np.array(depth[onset[0]] if len(onset) else np.nan),
        "spectral_merge": _from_second(np.diff(measured["spectral_clusters"]) < 0),
        "reset_event": _from_second(
            (np.diff(measured["mean_cosine"]) < -RESET_COSINE) & (np.diff(rank) > RESET_RANK)
        ),
    }


def plateau_signals(measured: Mapping[str, Any]) -> tuple[str, ...]:
    """Signals that are searched for plateaus: Fiedler values only where attention was measured."""
    return tuple(name for name in TOLERANCES if name != "sinkhorn_fiedler" or name in measured)


def _from_second(flags: Bool[np.ndarray, " step"]) -> Bool[np.ndarray, " depth"]:
    return np.concatenate([[False], flags])
