"""P9: does the number of clusters grow with beta as the theory says?"""

import numpy as np

from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
from compare.metrics.pairwise import components

LATE_OR_EARLY = np.log(2)
MOST_SHARE = 0.25


def clusters_grow_with_beta(group: Group, at: Thresholds) -> Evidence:
    """P9: exponent of the number of clusters in beta, over (d - 1)/2, at one time, from uniform points; 1 in theory."""
    if len(group.betas) < at["betas"]:
        raise NotApplicable(
            f"needs simulations at {at['betas']} values of beta or more, got {len(group.betas)}: the beta_eff of a "
            "trained model is not ours to set"
        )
    runs = tuple(run for run in require_theory(group, at) if run.facts.get("start") == "uniform")
    chosen, counts = finite(
        runs,
        lambda run: log_count(run, at),
        at,
        f" from uniform points, near t = {at['time']:g} and with fewer clusters than a quarter of the tokens",
    )
    betas = np.array([run.beta for run in chosen])
    dims = {run.trajectory.points.shape[2] for run in chosen}
    if len(np.unique(betas)) < at["betas"] or len(dims) > 1:
        raise NotApplicable(
            f"the runs whose clusters can be counted have {len(np.unique(betas))} values of beta and {len(dims)} "
            f"dimensions: needs {at['betas']} or more of one and 1 of the other"
        )
    exponent = (dims.pop() - 1) / 2
    return Evidence(
        (
            Claim(
                "exponent of the number of clusters in beta, over (d - 1)/2",
                "ratio",
                counts / exponent,
                low=1 - at["miss"],
                high=1 + at["miss"],
                kind="slope",
                terms=np.stack([np.ones_like(betas), np.log(betas)], axis=1),
            ),
        ),
        labels(chosen),
        note=f"over beta from {betas.min():g} to {betas.max():g}",
    )


def log_count(run: MeasuredRun, at: Thresholds) -> float:
    """ln of the number of components at chord radius/sqrt(beta), at the depth nearest the time; NaN if none is near."""
    with np.errstate(divide="ignore"):
        away = np.abs(np.log(run.clock / at["time"]))
    depth = int(np.argmin(away))
    count = components(run.points[depth : depth + 1], at["radius"] / np.sqrt(run.beta))[0]
    near = away[depth] <= LATE_OR_EARLY
    return float(np.log(count)) if near and count <= MOST_SHARE * run.points.shape[1] else np.nan
