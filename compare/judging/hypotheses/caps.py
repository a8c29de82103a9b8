"""P5, metastability of separated caps: what Theorem 1.2 of 2410.06833 allows, and what runs use of it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, labels, require_runs, require_theory
from compare.judging.hypothesis import RUNS, THEORY, Hypothesis, Threshold
from compare.theory import TrappingBounds, separation, trapping_bounds
from sim.sphere import normalise

MOST_CAPS = 16
HEIGHTS = 10
TIGHTEST, WIDEST = 1e-9, 1 / 16


class Caps(NamedTuple):
    """A start in caps: the cap of each token, the caps' centres, their height eps, and what the theorem promises."""

    members: Int[np.ndarray, " token"]
    centres: Float[np.ndarray, "cap dim"]
    height: float
    bounds: TrappingBounds


def caps_trap(group: Group, at: Thresholds) -> Evidence:
    """P5: the largest share that is used of what Theorem 1.2 of 2410.06833 allows, as a logarithm; below 0.

    Until T2 the height 1 - <x_i, w> is at most 2 eps, and from T1 to T2 the squared distance inside a cap at most
    2 e^(-lambda beta). One run beyond it refutes a theorem, or the solver.
    """
    runs = require_theory(group, at, causal=False)
    starts = [(run, caps) for run in runs if (caps := starting_caps(run)) is not None]
    require_runs(
        tuple(run for run, _ in starts), at, " that start in separated caps (the theorem's hypotheses)"
    )
    used = np.array([used_share(run, caps) for run, caps in starts])
    tested = np.isfinite(used)
    if tested.sum() < at["runs"]:
        raise NotApplicable(
            f"no record inside [T1, T2] that reaches T2/2 in {len(used) - tested.sum()} of {len(used)} runs that start "
            f"in separated caps: needs {at['runs']} that have one"
        )
    return Evidence(
        (
            Claim(
                "log of the largest share used of what the theorem allows",
                "nat",
                used[tested],
                high=at["used"],
            ),
        ),
        labels(tuple(run for (run, _), fine in zip(starts, tested) if fine)),
        universal=True,
    )


def used_share(run: MeasuredRun, caps: Caps) -> float:
    """NaN where no depth behind the first is recorded from T1 to T2, or the last of these is before T2/2.

    The first depth says nothing: eps is the height of its highest token.
    """
    points, clock, bounds = run.trajectory.points, run.clock, caps.bounds
    before = (clock <= bounds.escape_time) & (np.arange(len(clock)) > 0)
    tight = before & (clock >= bounds.collapse_time)
    if not tight.any() or clock[tight][-1] < bounds.escape_time / 2:
        return np.nan
    own = caps.centres[caps.members]
    heights = np.sum((points[before] - own) ** 2, axis=2) / 2
    widest = max(_widest(cloud, caps.members) for cloud in points[tight])
    shares = heights.max() / (2 * caps.height), widest / (2 * np.exp(-bounds.lambda_ * run.beta))
    return float(np.log(max(shares)))


def starting_caps(run: MeasuredRun) -> Caps | None:
    """The caps that the points at depth 0 lie in, of all single linkage partitions the one promised the longest life.

    The height eps is at least that of the highest token, and below 1/16; None where no partition is separated.
    """
    start = run.trajectory.points[0]
    if run.beta <= 1 or len(start) < 3 or np.ptp(run.trajectory.masses) > 0:
        return None
    tree = linkage(start, "single")
    best = None
    for count in range(2, min(MOST_CAPS, len(start)) + 1):
        members = fcluster(tree, count, "maxclust") - 1
        sums = np.array([start[members == cap].sum(axis=0) for cap in range(members.max() + 1)])
        if len(sums) < 2 or np.any(np.linalg.norm(sums, axis=1) < TIGHTEST):
            continue
        centres = normalise(sums)
        least = max(TIGHTEST, float(np.max(np.sum((start - centres[members]) ** 2, axis=1)) / 2))
        if least >= WIDEST:
            continue
        heights = np.geomspace(least, WIDEST, HEIGHTS, endpoint=False)
        nearest = [separation(centres, float(height)) for height in heights]
        bounds = trapping_bounds(run.beta, heights, nearest, len(start))
        if np.any(bounds.holds):
            place = int(np.nanargmax(bounds.log_escape_time))
            at_best = TrappingBounds(*(np.asarray(field)[place] for field in bounds))
            if best is None or at_best.log_escape_time > best.bounds.log_escape_time:
                best = Caps(members, centres, float(heights[place]), at_best)
    return best


def _widest(cloud: Float[np.ndarray, "token dim"], members: Int[np.ndarray, " token"]) -> float:
    """The largest squared distance between two tokens of one cap."""
    squares = np.sum((cloud[:, None] - cloud) ** 2, axis=2)
    return float(np.max(squares[members[:, None] == members]))


HYPOTHESIS = Hypothesis(
    id="P5",
    statement="Tokens in separated caps stay there until T2 >= (eps/n) e^((1 - alpha) beta) and tighten by T1",
    source="2410.06833, Theorem 1.2 (with the sign of the second limit corrected)",
    applies_to=f"{THEORY} that start in separated caps and are recorded from T1 to T2/2 or later",
    statistic="log of the largest share used of what the theorem allows",
    unit="nat",
    null="none: a theorem",
    smallest=Threshold("used", 0.0, 0.0, 0.0, "log of the largest share allowed"),
    rule="below 0 in every run, and in the mean",
    refuted_by="above 0 in one run",
    others=(RUNS,),
    evidence=caps_trap,
    chart=lambda behind: curves.cluster_number(behind.own, behind.group),
)
