"""P7: of all clusters, do those two merge first that the theory names?"""

import numpy as np
from jaxtyping import Float

from compare.judging.evidence import Claim, Evidence
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
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
