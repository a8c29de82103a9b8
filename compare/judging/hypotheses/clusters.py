"""H1 and H7: do several clusters form over depth, and is it training that makes them?"""

import numpy as np

from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import (
    Group,
    MeasuredRun,
    Thresholds,
    finite,
    labels,
    require_dynamics,
    require_runs,
    require_tokens,
)

LATE, GAIN = "late excess of cluster life", "gain of late cluster life over depth 0"
UNIT = "natural log of a radius range"
GROWN = 0.1
CONTROLS = ("random", "shuffled")


def clusters_form(group: Group, at: Thresholds) -> Evidence:
    """H1: the excess of cluster life over the common token rotation, late and against depth 0, both above delta."""
    require_dynamics(group, at)
    runs, late = finite(
        require_tokens(group, at), lambda run: run.number("late_excess", at), at, " with a cluster life"
    )
    gain = np.array([run.number("gain", at) for run in runs])
    lengths = np.mean([run["mean_length"][[0, -1]] for run in runs], axis=0)
    return Evidence(
        (
            Claim(LATE, UNIT, late, low=at["delta"]),
            Claim(GAIN, UNIT, gain, low=at["delta"]),
        ),
        labels(runs),
        note=f"beside it, the length of the mean goes from {lengths[0]:.2f} to {lengths[1]:.2f}"
        + (", as for consensus or a growing common mean" if lengths[1] - lengths[0] > GROWN else ""),
    )


def clustering_is_learned(group: Group, at: Thresholds) -> Evidence:
    """H7: late excess with trained weights and the text itself, and that less each control's, paired by prompt."""
    if not any(run.facts.get("model") for run in group.runs):
        raise NotApplicable("only a trained model has learned anything")
    if any(run.is_control for run in group.runs):
        raise NotApplicable("these runs are controls themselves")
    for control in CONTROLS:
        if not any(group.controls.get(control, ())):
            raise NotApplicable(f"no {control} control of these runs is among the groups")
    require_dynamics(group, at)
    paired = tuple(
        run
        for run in require_tokens(group, at)
        if all(_controls(group, control, run, at) for control in CONTROLS)
    )
    runs, late = finite(
        require_runs(paired, at, f" with both controls and {at['tokens']} different tokens or more"),
        lambda run: run.number("late_excess", at),
        at,
        " with a cluster life",
    )
    differences = tuple(
        Claim(
            f"late excess of cluster life, less that of {words}",
            UNIT,
            late
            - [
                np.mean([one.number("late_excess", at) for one in _controls(group, control, run, at)])
                for run in runs
            ],
            low=at["delta"],
        )
        for control, words in zip(CONTROLS, ("random weights", "shuffled tokens"))
    )
    return Evidence((Claim(LATE, UNIT, late, low=at["delta"]), *differences), labels(runs))


def _controls(group: Group, control: str, run: MeasuredRun, at: Thresholds) -> tuple[MeasuredRun, ...]:
    """The controls of a run, of every seed, that have enough different tokens."""
    place = next(place for place, one in enumerate(group.runs) if one is run)
    return tuple(one for one in group.controls[control][place] if one.kept.sum() >= at["tokens"])
