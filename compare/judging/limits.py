"""Injection and recovery: clusters planted in the runs of a group, to learn which of them its rule would confirm."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple
from zlib import crc32

import xarray as xr
from threadpoolctl import threadpool_limits

from compare.judging.evidence import RATE, Evidence, NotApplicable, Undecided, balance
from compare.judging.group import Group, MeasuredRun, Thresholds
from compare.judging.reach import LADDER, Reach
from compare.metrics.calibrated import preset
from compare.metrics.calibrated.cluster_life import VARIABLES as LIVES
from compare.metrics.calibrated.plateaus import VARIABLES as PLATEAUS
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.exclusions import apply
from compare.metrics.planting import planted
from compare.metrics.variable import labelled

CLUSTERS = 5
NULL_DRAWS = 9
UNTOUCHED = ("gate_z", "mean_length")
"""What clusters are planted without changing: the order of the depths still matters, and means stay."""

Rule = Callable[[Group, Thresholds], Evidence]


class Course(NamedTuple):
    """How planted clusters come and go, in parts of the depth.

    None are there up to `start`, all of them from `full` to `until`, and none from `gone` on; beyond 1 is never.
    """

    start: float = 1 / 12
    full: float = 1 / 3
    until: float = 2.0
    gone: float = 3.0

    def places(self, depths: int) -> dict[str, int]:
        """As indices of depth, the arguments of `planted`, each behind the one before."""
        start, full, until, gone = (round(part * (depths - 1)) for part in self)
        full = max(full, start + 1)
        until = max(until, full)
        return {"start": start, "full": full, "until": until, "gone": max(gone, until + 1)}


HOLD = Course()
"""Clusters that form in the first third of the depth and stay to the end."""

STAGE = Course(until=3 / 4, gone=11 / 12)
"""Clusters that form in the first third, stay for five twelfths of the depth, and are gone at the end."""


def within_reach(
    evidence: Evidence,
    sought: str,
    matters: float,
    confirms: Callable[[float, int], bool],
    ladder: tuple[float, ...] = LADDER,
) -> Evidence:
    """The evidence with its `Reach`, where it would refute: nothing is refuted that would not be seen.

    Arguments: as of `Reach`.
    """
    if balance(evidence).p_refuted > RATE / 2:
        return evidence
    return replace(evidence, reach=Reach(sought, CLUSTERS, matters, ladder, confirms))


def confirming(rule: Rule, group: Group, at: Thresholds, course: Course) -> Callable[[float, int], bool]:
    """Whether a rule on cluster lives, uncorrected, confirms clusters of a share of the variance in one draw.

    The rule is put to the planted runs at the thresholds `at`, but those of the measurement stay at their base.
    Cost: of a share and draw for the first time, 30 ms a run of 70 tokens and 13 depths; nothing once more.
    """
    asked = {name: value for name, value in at.items() if name != "variant"}

    def confirms(share: float, draw: int) -> bool:
        try:
            return (
                balance(rule(planted_group(group, course, share, draw, with_lives), asked)).p_confirmed
                <= RATE / 2
            )
        except (NotApplicable, Undecided):
            return False

    return confirms


def planted_group(
    group: Group,
    course: Course,
    share: float,
    draw: int,
    measured: Callable[[MeasuredRun], MeasuredRun] | None = None,
) -> Group:
    """The group with clusters planted in its runs, others in each draw, and measured; kept for the next time."""
    key = (course, share, draw, measured)
    if key not in group.planted:
        with threadpool_limits(limits=1):
            drawn = with_clusters(group, course, share, draw)
            if measured:
                drawn = replace(drawn, runs=tuple(map(measured, drawn.runs)))
        group.planted[key] = drawn
    return group.planted[key]


def with_clusters(group: Group, course: Course, share: float, draw: int) -> Group:
    """The group with clusters planted in its runs, others in each draw, of which nothing is measured yet.

    Runs of fewer tokens than clusters are left out. Deterministic by the seed of the measurements.
    """
    runs = []
    for place, run in enumerate(group.runs):
        if run.kept.sum() >= CLUSTERS:
            places = course.places(len(run.trajectory.points))
            seed = crc32(f"{group.seed} {draw} {place}".encode())
            runs.append(
                replace(run, trajectory=planted(run.trajectory, CLUSTERS, share, **places, seed=seed))
            )
    return Group(group.name, tuple(runs))


def with_lives(run: MeasuredRun) -> MeasuredRun:
    """The cluster lives and plateaus of a run at the thresholds as they are, against few null draws."""
    seed = int(run.measured.attrs.get("seed", 0))
    points = apply(run.trajectory, run.exclusions)
    found = preset.clusters(points, NULL_DRAWS, seed, {"base": BASE}, run.trajectory.axis)
    found.pop("cluster_label")  # of kept tokens alone, and no part of a verdict
    table = xr.Dataset(
        labelled(LIVES | PLATEAUS, found) | {name: run.measured[name].variable for name in UNTOUCHED},
        coords={"kept": run.measured["kept"].variable, "variant": ["base"]},
        attrs=run.measured.attrs,
    )
    return replace(run, measured=table)
