"""Trajectories made into groups: each run measured and paired with its controls."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from compare.judging.group import Group, MeasuredRun, is_control
from compare.judging.reach import COARSE, Search
from compare.metrics.exclusions import rogue_coordinates, stating
from compare.metrics.measurement import measure
from sim.trajectory import Trajectory

Place = tuple[str, int]
Progress = Callable[[Sequence[Place]], Iterable[Place]]
SAME_RUN = (
    "instrument",
    "model",
    "prompt",
    "text_sha256",
    "frame",
    "causal",
    "blocks",
    "sublayers",
    "silenced",
    "rogue",
    "token_count",
)
SAME_WEIGHTS = ("revision", "weights")


def groups_of(
    given: Mapping[str, Sequence[Trajectory]],
    measured: Mapping[str, Sequence[xr.Dataset]] | None,
    models: Mapping[str, Mapping[str, xr.Dataset]],
    seed: int,
    draws: int,
    progress: Progress,
    search: Search = COARSE,
) -> tuple[Group, ...]:
    """Each group with its runs measured and paired; of a group that mixes them only the runs that are no controls.

    Runs of a model that are measured here, and do not say which of its coordinates are rogue, are given one set.
    """
    _check(given, measured)
    if measured is None:
        given = _on_one_sphere(given)
    places = [(name, place) for name, trajectories in given.items() for place in range(len(trajectories))]
    runs: dict[str, list[MeasuredRun]] = defaultdict(list)
    for name, place in progress(places):
        trajectory = given[name][place]
        data = (
            measure(trajectory, draws=draws, seed=seed, plantings=search.plantings)
            if measured is None
            else measured[name][place]
        )
        label = str(trajectory.provenance.get("label", f"{name} {place}"))
        runs[name].append(MeasuredRun.of(label, replace(trajectory, attention=None), data))
    return paired(runs, models, search)


def paired(
    runs: Mapping[str, Sequence[MeasuredRun]],
    models: Mapping[str, Mapping[str, xr.Dataset]],
    search: Search = COARSE,
) -> tuple[Group, ...]:
    """Groups of runs that are measured, each run with its controls; as `groups_of`."""
    everywhere = [run for each in runs.values() for run in each]
    return tuple(
        replace(_group(name, tuple(each), everywhere, models), search=search) for name, each in runs.items()
    )


def _on_one_sphere(given: Mapping[str, Sequence[Trajectory]]) -> Mapping[str, Sequence[Trajectory]]:
    """The runs of each model, in each frame, with the rogue coordinates of those that are no controls."""
    members: dict[tuple[Any, ...], list[Trajectory]] = defaultdict(list)
    for runs in given.values():
        for run in runs:
            if _asks_for_rogue(run):
                members[_sphere(run)].append(run)
    rogue = {
        sphere: rogue_coordinates([run for run in runs if not is_control(run.provenance)] or runs)
        for sphere, runs in members.items()
    }
    return {
        name: [stating(run, rogue[_sphere(run)]) if _asks_for_rogue(run) else run for run in runs]
        for name, runs in given.items()
    }


def _asks_for_rogue(run: Trajectory) -> bool:
    return bool(run.provenance.get("model")) and "rogue" not in run.provenance


def _sphere(run: Trajectory) -> tuple[Any, ...]:
    return run.provenance["model"], run.provenance.get("frame"), run.points.shape[2]


def together(groups: Sequence[Group]) -> Group:
    """All runs of models, or all where there is none, as one group, for what is asked across models."""
    runs = tuple(run for group in groups for run in group.runs)
    of_models = tuple(run for run in runs if run.facts.get("model"))
    return Group("all models", of_models or runs, tables=groups[0].tables)


def _check(
    given: Mapping[str, Sequence[Trajectory]], measured: Mapping[str, Sequence[xr.Dataset]] | None
) -> None:
    if not (given and isinstance(given, Mapping)):
        raise ValueError("no groups to judge: give a mapping from names to lists of trajectories")
    for name, trajectories in given.items():
        given_one = [trajectories] if not isinstance(trajectories, Sequence) else trajectories
        wrong = [type(one).__name__ for one in given_one if not isinstance(one, Trajectory)]
        if wrong or given_one is not trajectories:
            got = type(trajectories).__name__ if given_one is not trajectories else f"one of {wrong[0]}"
            raise ValueError(f"group {name!r} must be a list of sim.Trajectory, got {got}")
        if len(trajectories) == 0:
            raise ValueError(f"group {name!r} has no trajectories: leave it out or give some")
        if measured is not None and len(measured.get(name, ())) != len(trajectories):
            raise ValueError(
                f"group {name!r} has {len(trajectories)} trajectories and {len(measured.get(name, ()))} measurements: "
                "give one each, in the same order"
            )
        first: dict[object, int] = {}
        for place, one in enumerate(trajectories):
            same = first.setdefault(_content(one) if measured is None else id(one), place)
            if same != place:
                raise ValueError(
                    f"runs {same} and {place} of group {name!r} are the same, and copies are no independent runs: "
                    "leave one out"
                )


def _content(run: Trajectory) -> tuple[str, ...]:
    """What tells one run from another: its points, and which of its tokens count, and how much."""
    said = repr((run.tokens, run.provenance.get("token_ids"), run.provenance.get("control")))
    arrays = (run.points, run.masses, run.special)
    return (said, *(hashlib.sha256(np.ascontiguousarray(one).data).hexdigest() for one in arrays))


def _group(
    name: str,
    runs: tuple[MeasuredRun, ...],
    everywhere: Sequence[MeasuredRun],
    models: Mapping[str, Mapping[str, xr.Dataset]],
) -> Group:
    main = tuple(run for run in runs if not run.is_control) or runs
    controls = {
        "random": lambda run: (
            run.facts.get("init") == "random"
            and run.facts.get("control") is None
            and run.facts.get("initializer_range_from") != "argument"
        ),
        "shuffled": lambda run: run.facts.get("init") == "trained" and run.facts.get("control") == "shuffled",
    }
    found = {
        kind: tuple(_partners(run, [one for one in everywhere if is_one(one)]) for run in main)
        for kind, is_one in controls.items()
    }
    return Group(name, main, found, models)


def _partners(run: MeasuredRun, controls: Sequence[MeasuredRun]) -> tuple[MeasuredRun, ...]:
    """The controls of the same model, prompt, reading and, unless they are random, weights, of every seed.

    Random weights are those of the model's own width: at another one they rise or fall by that alone. Runs without the
    same rogue coordinates are on another sphere.
    """
    if not run.facts.get("model"):
        return ()
    return tuple(
        control
        for control in controls
        if all(
            control.facts.get(name) == run.facts.get(name)
            for name in SAME_RUN + (() if control.facts.get("init") == "random" else SAME_WEIGHTS)
        )
    )
