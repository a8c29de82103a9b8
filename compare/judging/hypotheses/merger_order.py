"""P7, the order of mergers: the closest pair of clusters, by predicted time, merges first."""

import numpy as np
from jaxtyping import Float

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
from compare.judging.hypothesis import RUNS, THEORY, Hypothesis, Threshold
from compare.theory import log_merge_time
from sim.sphere import normalise

LEAST_CLUSTERS = 3
TOUCHING = 1e-6


def closest_merge_first(group: Group, at: Thresholds) -> Evidence:
    """P7: share of runs whose first merger is that of the pair with the shortest predicted time."""
    runs = require_theory(group, at, causal=False)
    chosen, hits = finite(
        runs,
        lambda run: as_predicted(run, at),
        at,
        " in which 3 clusters or more form, one pair is clearly nearest, and a merger is recorded",
    )
    return Evidence(
        (
            Claim(
                "share of first mergers that are of the predicted pair",
                "share",
                hits,
                at["share"],
                kind="share",
            ),
        ),
        labels(chosen),
    )


def as_predicted(run: MeasuredRun, at: Thresholds) -> float:
    """1 or 0; NaN without 3 clusters, a clear prediction, or a merger on record.

    Clusters are those at the start of the first plateau, and their predicted time is that of the pair alone
    (`compare.theory.merge_time`): of order e^(beta (1 - cos)), with a factor of the masses. It is clear where the next
    pair's is longer by `clear` nats or more. They have merged where their mean directions are within meet/sqrt(beta).
    """
    start = int(run["first_plateau_start"])
    names = run["cluster_label"][start]
    present = np.unique(names[names >= 0])
    if start < 0 or len(present) < LEAST_CLUSTERS:
        return np.nan
    masses = np.array([run.trajectory.masses[names == name].sum() for name in present])
    centres = np.stack([_centre(run, names == name) for name in present], axis=1)[start:]
    first, second = np.triu_indices(len(present), 1)
    chords = np.linalg.norm(centres[:, first] - centres[:, second], axis=2)
    angles = 2 * np.arcsin(np.clip(chords[0] / 2, TOUCHING, 1 - TOUCHING))
    predicted = np.asarray(
        log_merge_time(run.beta, angles, TOUCHING, (masses[first], masses[second]), run.facts["kind"])
    )
    nearest, following = np.sort(predicted)[:2]
    met = chords < at["meet"] / np.sqrt(run.beta)
    if met[0].any() or not met.any() or not following - nearest > at["clear"]:
        return np.nan
    when = int(np.argmax(met.any(axis=1)))
    return float(np.argmin(chords[when]) == np.argmin(predicted))


def _centre(run: MeasuredRun, members: np.ndarray) -> Float[np.ndarray, "depth dim"]:
    weights = run.trajectory.masses[members]
    return normalise(np.einsum("ldk,d->lk", run.trajectory.points[:, members], weights))


HYPOTHESIS = Hypothesis(
    id="P7",
    statement="The closest pair of clusters merges first",
    source="2410.06833; log time beta (1 - cos) - ln(beta sin^2) + a term of the masses",
    applies_to=f"{THEORY} in which 3 clusters or more form and two merge on record",
    statistic="share of first mergers that are of the predicted pair",
    unit="share",
    null="any pair is as likely: at most 1/3",
    smallest=Threshold("share", 0.5, 0.4, 0.6, "least share of predicted mergers"),
    rule="lower end of the 95 % interval above the smallest effect",
    refuted_by="upper end of the 95 % interval below the smallest effect",
    others=(
        Threshold(
            "meet", 1.0, 0.5, 1.5, "distance at which two clusters have merged, in units of beta^(-1/2)"
        ),
        Threshold("clear", 0.7, 0.35, 1.4, "nats by which the next pair's predicted log time must be longer"),
        RUNS,
    ),
    evidence=closest_merge_first,
    chart=lambda behind: curves.cluster_number(behind.own, behind.group),
)
