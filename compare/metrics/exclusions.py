"""Tokens and coordinates that the calibrated statistics leave out, and the sentences that say so."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from sim.sphere import normalise
from sim.trajectory import Trajectory

ROGUE_RATIO = 20
ROGUE_LEAST_DIM = 32


LEFT_OUT = {
    "special": "special tokens",
    "sinks": "sinks",
    "duplicates": "duplicates",
    "rogue": "rogue coordinates",
}


class Exclusions(NamedTuple):
    """What is left of a trajectory, and what was taken away.

    kept: the tokens that count. special, sinks, duplicates: places of those that do not, each under its first reason in
    this order. rogue: coordinates that were dropped, after which each point was divided by its length again.
    """

    kept: Bool[np.ndarray, " token"]
    special: Int[np.ndarray, " special"]
    sinks: Int[np.ndarray, " sink"]
    duplicates: Int[np.ndarray, " duplicate"]
    rogue: Int[np.ndarray, " rogue"]


def exclude(trajectory: Trajectory) -> Exclusions:
    """Decide what to leave out of a trajectory.

    - Special tokens: ``trajectory.special``.
    - Sinks: the places in ``provenance["sinks"]``.
    - Duplicates: of the tokens left, all but the first of each id, ``provenance["token_ids"]``, or of each name where
      there are no ids. Copies of one token start at one point, and would count as a cluster.
    - Rogue coordinates: the places in ``provenance["rogue"]``, one set for all runs of a model; where none is given,
      `rogue_coordinates` of this run alone. Only where ``provenance`` names a ``model``: the coordinates of a model are
      its neurons, and one of them can outgrow all others together. A simulation is the same in any orthonormal basis,
      and where its points gather on an axis a coordinate *is* the signal.
    """
    made = _tokens_left_out(trajectory)
    if not trajectory.provenance.get("model"):
        return made
    stated = trajectory.provenance.get("rogue")
    own = _rogue([trajectory.points[:, made.kept]]) if stated is None else np.asarray(stated, int)
    return made._replace(rogue=own)


def _tokens_left_out(trajectory: Trajectory) -> Exclusions:
    """With no coordinate left out."""
    facts = trajectory.provenance
    tokens = len(trajectory.tokens)
    special = trajectory.special
    sinks = np.zeros(tokens, bool)
    sinks[list(facts.get("sinks") or ())] = True
    sinks &= ~special
    names = facts.get("token_ids") or trajectory.tokens
    left = np.flatnonzero(~special & ~sinks)
    _, first = np.unique(np.asarray([str(names[place]) for place in left]), return_index=True)
    kept = np.zeros(tokens, bool)
    kept[left[first]] = True
    return Exclusions(
        kept,
        np.flatnonzero(special),
        np.flatnonzero(sinks),
        np.flatnonzero(~special & ~sinks & ~kept),
        np.zeros(0, int),
    )


def rogue_coordinates(runs: Sequence[Trajectory]) -> list[int]:
    """The rogue coordinates of a model, from some of its runs: one set, so that all its runs are on one sphere.

    Those whose variance over tokens, or squared mean over tokens, averaged over depths and runs, exceeds 20 times the
    median over coordinates; tokens are those that `exclude` keeps. Under 32 dimensions there are none, as the median of
    few coordinates says nothing. Each run alone would lose other coordinates than the next, and a control others than
    what it is held against.

    runs: of one model in one frame, all of one dimension. Returns places of coordinates, increasing; none without runs.
    Cost: O(depth token dim) a run.
    """
    return _rogue([run.points[:, _tokens_left_out(run).kept] for run in runs]).tolist()


def stating(trajectory: Trajectory, rogue: Sequence[int]) -> Trajectory:
    """The run with these as its rogue coordinates, whatever its points say."""
    return replace(trajectory, provenance={**trajectory.provenance, "rogue": list(rogue)})


def apply(trajectory: Trajectory, made: Exclusions) -> Float[np.ndarray, "depth kept left"]:
    """The points of the kept tokens without the rogue coordinates, as unit rows."""
    points = trajectory.points[:, made.kept]
    return normalise(np.delete(points, made.rogue, axis=2)) if len(made.rogue) else points


def record(made: Exclusions) -> dict[str, Any]:
    """The treatment as JSON values: `kept`, the number of tokens, the places left out, and the sentence."""
    places = {name: getattr(made, name).tolist() for name in LEFT_OUT}
    return {"kept": int(made.kept.sum()), **places, "sentence": sentence(made)}


def recorded(measured: xr.Dataset) -> Exclusions:
    """What was left out of a run before it was measured."""
    said = json.loads(measured.attrs["treatment"])
    return Exclusions(
        np.asarray(measured["kept"], bool), **{name: np.asarray(said[name], int) for name in LEFT_OUT}
    )


def sentence(made: Exclusions) -> str:
    """What was left out of a run, for a report."""
    counts = {name: len(getattr(made, name)) for name in LEFT_OUT}
    words = [
        f"{counts[name]} {kind if counts[name] != 1 else kind.removesuffix('s')}"
        for name, kind in LEFT_OUT.items()
        if counts[name]
    ]
    return f"{made.kept.sum()} of {len(made.kept)} tokens kept; left out: {', '.join(words) or 'nothing'}"


def sentence_of_runs(made: Sequence[Exclusions], whole: bool = False) -> str:
    """What was left out of several runs together; if `whole`, no coordinate was.

    Coordinates that are the same in all runs count once.
    """
    kept, tokens = sum(int(one.kept.sum()) for one in made), sum(len(one.kept) for one in made)
    counts = {name: sum(len(getattr(one, name)) for one in made) for name in LEFT_OUT}
    said = dict(LEFT_OUT)
    if len({tuple(one.rogue) for one in made}) == 1:
        counts["rogue"] = len(made[0].rogue)
        said["rogue"] = f"rogue coordinate{'s' if counts['rogue'] != 1 else ''} of each"
    words = [
        f"{counts[name]} {kind}"
        for name, kind in said.items()
        if counts[name] and not (whole and name == "rogue")
    ]
    return f"{kept} of {tokens} tokens kept over {len(made)} runs; left out: {', '.join(words) or 'nothing'}"


def _rogue(clouds: Sequence[Float[np.ndarray, "depth _ dim"]]) -> Int[np.ndarray, " rogue"]:
    clouds = [cloud for cloud in clouds if cloud.shape[1]]
    if not clouds or clouds[0].shape[2] < ROGUE_LEAST_DIM:
        return np.zeros(0, int)
    sizes = np.mean(
        [np.stack([cloud.var(axis=1), cloud.mean(axis=1) ** 2]).mean(axis=1) for cloud in clouds], axis=0
    )
    return np.flatnonzero(np.any(sizes > ROGUE_RATIO * np.median(sizes, axis=1, keepdims=True), axis=0))
