"""Injection and recovery: clusters planted in the runs of a group, to learn which of them its rule would confirm."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from compare.judging.evidence import RATE, Evidence, NotApplicable, Undecided, balance
from compare.judging.group import Group, MeasuredRun, Thresholds
from compare.judging.reach import LADDER, Reach
from compare.metrics.calibrated import preset
from compare.metrics.calibrated.closeness import VARIABLES as CLOSENESS
from compare.metrics.calibrated.cluster_life import VARIABLES as LIVES
from compare.metrics.calibrated.held_out import HeldOut
from compare.metrics.calibrated.lives import Linked
from compare.metrics.calibrated.plateaus import VARIABLES as PLATEAUS
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.planting import planted
from compare.metrics.variable import labelled
from compare.statistics import mean_above, t_interval
from sim.trajectory import Trajectory

CLUSTERS = 5
NULL_DRAWS, SAMPLES = 9, 128
UNTOUCHED = ("gate_z", "mean_length")
"""What clusters are planted without changing: the order of the depths still matters, and means stay."""

Null = Mapping[int, Linked]
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
    group: Group,
    at: Thresholds,
    sought: str,
    sees: Callable[[float, int], bool],
    closeness: str,
    ladder: tuple[float, ...] = LADDER,
) -> Evidence:
    """The evidence with its `Reach`, or its doubt, where it would refute: nothing is refuted that would not be seen.

    Arguments: evidence of a group at the thresholds `at`, `close` and `matters` among them; sought, sees, as of
    `Reach`; closeness, the name of the one that many small clusters would raise; ladder, of shares, where the search
    of the group names none.
    """
    if balance(evidence).p_refuted > RATE / 2:
        return evidence
    if doubt := doubted(group.runs, closeness, at["close"]):
        return replace(evidence, doubt=doubt)
    search = group.search
    reach = Reach(sought, f"{CLUSTERS} clusters", at["matters"], search.shares or ladder, sees, search)
    return replace(evidence, reach=reach)


def doubted(runs: Sequence[MeasuredRun], name: str, bound: float) -> str:
    """Why nothing is refuted where tokens may gather in more, smaller clusters than are sought; "" where they do not.

    They do not where the mean over runs of a closeness (`compare.metrics.calibrated.closeness`), by name, is surely
    below `bound`. Of 70 tokens of a model in clusters of two or three that hold 65 % of the variance it is 0.2 to 0.3,
    and of 80 % it is 0.5.
    """
    found = np.array([run.number(name) for run in runs])
    if mean_above(-found, -bound) <= RATE / 2:
        return ""
    low, high = t_interval(found)
    return (
        f"tokens are nearer to their nearest neighbour than in the null by {found.mean():.2f} nat ({low:.2f} to "
        f"{high:.2f}), and from {bound:g} on they may gather in more and smaller clusters than are sought here"
    )


def confirming(rule: Rule, group: Group, at: Thresholds, course: Course) -> Callable[[float, int], bool]:
    """Whether a rule on cluster lives, uncorrected, confirms clusters of a share of the variance in one draw.

    The rule is put to the planted runs at the thresholds `at`, but those of the measurement stay at their base.
    """
    asked = {name: value for name, value in at.items() if name != "variant"}

    def sees(share: float, draw: int) -> bool:
        made = plants(group, course, share).with_lives(draw)
        try:
            return balance(rule(made, asked)).p_confirmed <= RATE / 2
        except (NotApplicable, Undecided):
            return False
        finally:
            made.let_go()

    return sees


def plants(group: Group, course: Course, share: float) -> "Plants":
    """Those of a course and share in a group, which keeps them for the next time."""
    return group.planted.setdefault((course, share), Plants(group, course, share))


@dataclass(frozen=True)
class Plants:
    """Clusters of one course and share of the variance, planted in the runs of a group, others in each run and draw.

    Deterministic by the seed of the measurements. Runs of fewer tokens than clusters are left out.
    """

    group: Group
    course: Course
    share: float

    def drawn(self, draw: int) -> Group:
        """The group with clusters in it, of which nothing is measured yet, made anew at each call."""
        return Group(self.group.name, self._made(draw))

    def margins(self, draw: int) -> HeldOut | None:
        """`Group.held_out_at_last` of it."""
        if draw not in self._margins:
            self._margins[draw] = self.drawn(draw).held_out_at_last
        return self._margins[draw]

    @cached_property
    def unplanted(self) -> Group:
        """The runs that clusters are planted in, as they are."""
        return Group(self.group.name, tuple(self._large_enough))

    def with_lives(self, draw: int) -> Group:
        """The same with cluster lives and plateaus, at the thresholds as they are.

        Each run keeps its controls, in which nothing is planted. Held against few null draws, those of draw 0: plants
        of one share differ little in means and covariances, which are all that null draws keep. Where 0.4 nat is
        planted the excess is off by 0.01 a run, either way.
        Cost: of the first draw 40 ms a run of 70 tokens and 13 depths, of each other 10; nothing once more.
        """
        if draw not in self._lives:
            with threadpool_limits(limits=1):
                measured = [_with_lives(*each) for each in zip(self._made(draw), self._nulls)]
            # The points have served: a group keeps its own, and not those of every draw.
            runs = tuple(replace(run, measured=table) for run, table in zip(self._large_enough, measured))
            self._lives[draw] = Group(self.group.name, runs, self._controls)
        return self._lives[draw]

    @cached_property
    def _places(self) -> list[int]:
        """Those of the runs with as many tokens as clusters."""
        return [place for place, run in enumerate(self.group.runs) if run.kept.sum() >= CLUSTERS]

    @property
    def _large_enough(self) -> list[MeasuredRun]:
        return [self.group.runs[place] for place in self._places]

    @property
    def _controls(self) -> dict[str, tuple[tuple[MeasuredRun, ...], ...]]:
        return {
            kind: tuple(controls[place] for place in self._places)
            for kind, controls in self.group.controls.items()
        }

    def _made(self, draw: int) -> tuple[MeasuredRun, ...]:
        runs = self.group.runs
        return tuple(
            MeasuredRun.of(runs[place].label, self._planted(runs[place], draw, place), runs[place].measured)
            for place in self._places
        )

    def _planted(self, run: MeasuredRun, draw: int, place: int) -> Trajectory:
        places = self.course.places(len(run.trajectory.points))
        seed = crc32(f"{self.group.seed} {draw} {place}".encode())
        return planted(run.trajectory, CLUSTERS, self.share, **places, seed=seed)

    @cached_property
    def _nulls(self) -> list[Null]:
        with threadpool_limits(limits=1):
            return [
                preset.null_links(run.points, NULL_DRAWS, self.group.seed, [BASE.cluster], SAMPLES)
                for run in self._made(0)
            ]

    @cached_property
    def _margins(self) -> dict[int, HeldOut | None]:
        return {}

    @cached_property
    def _lives(self) -> dict[int, Group]:
        return {}


def _with_lives(run: MeasuredRun, null: Null) -> xr.Dataset:
    found = preset.clusters(run.points, NULL_DRAWS, 0, {"base": BASE}, run.axis, null)
    found.pop("cluster_label")  # of kept tokens alone, and no part of a verdict
    return xr.Dataset(
        labelled(LIVES | CLOSENESS | PLATEAUS, found)
        | {name: run.measured[name].variable for name in UNTOUCHED},
        coords={"kept": run.measured["kept"].variable, "variant": ["base"]},
        attrs=run.measured.attrs,
    )
