"""H7, clustering is learned: cluster life above that of random weights and of shuffled tokens."""

import numpy as np

from compare.judging import curves
from compare.judging.chart import Behind, Chart
from compare.judging.evidence import Claim, Evidence, NotApplicable, weigh
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
from compare.judging.hypothesis import (
    ABOVE,
    BELOW,
    CLOSE,
    CLUSTER_VARIANTS,
    DYNAMICS,
    LEAST_LIFE,
    LIFE_UNIT,
    MATTERS,
    SEEN,
    Hypothesis,
    Threshold,
)
from compare.judging.limits import CLUSTERS, HOLD, confirming, within_reach
from compare.statistics import RATE

LATE = "late excess of cluster life"
CONTROLS = {"random": "random weights", "shuffled": "shuffled tokens"}


def clustering_is_learned(group: Group, at: Thresholds) -> Evidence:
    """H7: late excess with trained weights and the text itself, and that less each control's, paired by prompt.

    Where the trained runs do not surely cluster, refuted only where clusters planted in them alone are confirmed.
    """
    found = _learned(group, at)
    if weigh(found.claims[0]).p_holds <= RATE / 2:
        return found
    p_of = confirming(_learned, group, at, HOLD)
    return within_reach(found, group, at, f"{CLUSTERS} learned tight clusters", p_of, "late_closeness")


def _learned(group: Group, at: Thresholds) -> Evidence:
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
            LIFE_UNIT,
            late
            - [
                np.mean([one.number("late_excess", at) for one in _controls(group, control, run, at)])
                for run in runs
            ],
            low=at["delta"],
        )
        for control, words in CONTROLS.items()
    )
    return Evidence((Claim(LATE, LIFE_UNIT, late, low=at["delta"]), *differences), labels(runs))


def _controls(group: Group, control: str, run: MeasuredRun, at: Thresholds) -> tuple[MeasuredRun, ...]:
    """The controls of a run, of every seed, that have enough different tokens."""
    place = next(place for place, one in enumerate(group.runs) if one is run)
    return tuple(one for one in group.controls[control][place] if one.kept.sum() >= at["tokens"])


def _beside_controls(behind: Behind) -> Chart:
    controls = {
        change: list(behind.controls[change].values())
        for change in CONTROLS.values()
        if behind.controls.get(change)
    }
    return curves.cluster_life(
        {**behind.own, **controls}, f"{behind.group}: cluster life beside its controls"
    )


HYPOTHESIS = Hypothesis(
    id="H7",
    statement="The trained model clusters, and more than with random weights and than with shuffled tokens",
    source="post, control run",
    applies_to="runs of a trained model with dynamics that have both controls on the same prompts",
    statistic="late excess of cluster life: its own, less that of random weights, and less that of shuffled tokens",
    unit=LIFE_UNIT,
    null="the rotation of the tokens, and the same prompt with random weights and with its tokens shuffled",
    smallest=Threshold("delta", LEAST_LIFE, 0.15, 0.35, "least excess, and least difference, that matters"),
    rule=f"all three: {ABOVE}",
    refuted_by=f"any: {BELOW}; where the trained runs do not surely cluster, only if {SEEN}",
    others=(CLOSE, MATTERS, *DYNAMICS),
    evidence=clustering_is_learned,
    variants=CLUSTER_VARIANTS,
    chart=_beside_controls,
)
