"""Injection and recovery: clusters planted in the runs of a group, to learn which of them its rule would confirm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Float

from compare.judging.evidence import Evidence, NotApplicable, Undecided, balance
from compare.judging.group import Group, MeasuredRun, Thresholds
from compare.judging.reach import LADDER, Reach
from compare.metrics.calibrated import preset
from compare.metrics.calibrated.held_out import HeldOut, blurred
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.calibrated.whitening import POWERS, held_out_of_clouds
from compare.metrics.planting import in_own_span, planted_points, planted_shares
from compare.metrics.threads import one_thread
from compare.statistics import RATE, mean_above, t_interval

CLUSTERS = 5
NULL_DRAWS, SAMPLES = 9, 128
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
    group: Group,
    at: Thresholds,
    sought: str,
    p_of: Callable[[float, int], float],
    closeness: str,
    ladder: tuple[float, ...] = LADDER,
) -> Evidence:
    """The evidence with its `Reach`, or its doubt, where it would refute: nothing is refuted that would not be seen.

    Arguments: evidence of a group at the thresholds `at`, `close` and `matters` among them; sought, p_of, as of
    `Reach`; closeness, the name of the one that many small clusters would raise; ladder, of shares, where the search
    of the group names none.
    """
    if balance(evidence).p_refuted > RATE / 2:
        return evidence
    if doubt := doubted(group.runs, closeness, at["close"]):
        return replace(evidence, doubt=doubt)
    search = group.search
    reach = Reach(sought, f"{CLUSTERS} clusters", at["matters"], search.shares or ladder, p_of, search)
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


def confirming(rule: Rule, group: Group, at: Thresholds, course: Course) -> Callable[[float, int], float]:
    """The one-sided p, uncorrected, at which a rule on cluster lives confirms clusters of a share in one draw.

    The rule is put to the planted runs at the thresholds `at`, but those of the measurement stay at their base.
    """
    asked = {name: value for name, value in at.items() if name != "variant"}

    def p_of(share: float, draw: int) -> float:
        made = plants(group, course, share).with_lives(draw)
        try:
            return balance(rule(made, asked)).p_confirmed
        except (NotApplicable, Undecided):
            return 1.0

    return p_of


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

    def points(self, place: int, draw: int) -> Float[np.ndarray, "depth kept dim"]:
        """Those of `unplanted.runs[place]` with clusters in them, made anew at each call."""
        return self._planted(place, draw, self.unplanted.runs[place].own_points)

    def margins(self, draw: int) -> HeldOut | None:
        """Held-out margins of the runs with clusters in them, at the last depth, as arrays (run, p, clusters).

        None for a single run, and where the runs have not the same dimension.
        """
        if draw not in self._margins:
            self._margins[draw] = self._held_out(draw)
        return self._margins[draw]

    @cached_property
    def unplanted(self) -> Group:
        """The runs that clusters are planted in, as they are."""
        return Group(self.group.name, tuple(self.group.runs[place] for place in self._places))

    def with_lives(self, draw: int) -> Group:
        """The same with cluster lives and plateaus, at the thresholds as they are.

        Each run keeps its controls, in which nothing is planted. Held against few null draws, those of draw 0: plants
        of one share differ little in means and covariances, which are all that null draws keep. Where 0.4 nat is
        planted the excess is off by 0.01 a run, either way.
        Cost: of the first draw 40 ms a run of 70 tokens and 13 depths, of each other 6; nothing once more.
        """
        if draw not in self._lives:
            with one_thread():
                runs = tuple(
                    _with_lives(run, self._planted(place, draw, span), null)
                    for place, (run, span, null) in enumerate(
                        zip(self.unplanted.runs, self._spans, self._nulls)
                    )
                )
            self._lives[draw] = Group(self.group.name, runs, self._controls)
        return self._lives[draw]

    @cached_property
    def _places(self) -> list[int]:
        """Those of the runs with as many tokens as clusters."""
        return [place for place, run in enumerate(self.group.runs) if run.kept.sum() >= CLUSTERS]

    @property
    def _controls(self) -> dict[str, tuple[tuple[MeasuredRun, ...], ...]]:
        return {
            kind: tuple(controls[place] for place in self._places)
            for kind, controls in self.group.controls.items()
        }

    def _planted(
        self, place: int, draw: int, points: Float[np.ndarray, "depth kept dim"], first: int = 0
    ) -> Float[np.ndarray, "depth kept dim"]:
        """The points of a run from a depth on, in any coordinates, with clusters in them."""
        depths = first + len(points)
        shares = planted_shares(depths, self.share, **self.course.places(depths))
        seed = crc32(f"{self.group.seed} {draw} {self._places[place]}".encode())
        return planted_points(points, CLUSTERS, shares[first:], seed)

    @cached_property
    def _spans(self) -> list[Float[np.ndarray, "depth kept dim"]]:
        return [in_own_span(run.own_points) for run in self.unplanted.runs]

    @cached_property
    def _ends(self) -> list[Float[np.ndarray, "1 kept dim"]]:
        return [run.own_points[-1:] for run in self.unplanted.runs]

    def _held_out(self, draw: int) -> HeldOut | None:
        runs = self.unplanted.runs
        if not self.unplanted.is_alike:
            return None
        clouds = []
        for place, run in enumerate(runs):
            last = run.measured.sizes["depth"] - 1
            (cloud,) = self._planted(place, draw, self._ends[place], last)
            shared = cloud[:, ~np.isin(run.coordinates, self.unplanted.rogue)]
            clouds.append(blurred(shared, self.group.seed, last))
        return held_out_of_clouds(clouds, (0.0, *POWERS))

    @cached_property
    def _nulls(self) -> list[preset.Null]:
        with one_thread():
            return [
                preset.null_of(
                    self.points(place, 0), NULL_DRAWS, self.group.seed, {"base": BASE}, run.axis, SAMPLES
                )
                for place, run in enumerate(self.unplanted.runs)
            ]

    @cached_property
    def _margins(self) -> dict[int, HeldOut | None]:
        return {}

    @cached_property
    def _lives(self) -> dict[int, Group]:
        return {}


def _with_lives(
    run: MeasuredRun, points: Float[np.ndarray, "depth kept dim"], null: preset.Null
) -> MeasuredRun:
    found = preset.clusters(points, NULL_DRAWS, 0, {"base": BASE}, run.axis, null)
    found.pop("cluster_label")  # of kept tokens alone, most of what there is, and no part of a verdict
    return replace(run, planted=found | {name: run[name] for name in UNTOUCHED})
