"""P9, the number of clusters: its exponent in beta, (d - 1)/2 in theory."""

import numpy as np

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_theory
from compare.judging.hypothesis import RUNS, Hypothesis, Threshold
from compare.metrics.pairwise import components

EXPONENT = "exponent of the number of clusters in beta, over (d - 1)/2"
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
                EXPONENT,
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


HYPOTHESIS = Hypothesis(
    id="P9",
    statement="The number of clusters at a given time grows as beta^((d - 1)/2)",
    source="2312.10794; 2410.23228",
    applies_to="simulations of SA or USA with Q = K = V = 1 from uniform points, over 3 or more values of beta",
    statistic=EXPONENT,
    unit="ratio",
    null="none: the theory names the number",
    smallest=Threshold("miss", 0.5, 0.3, 0.7, "largest miss of the exponent, relative"),
    rule="95 % interval between 0.5 and 1.5",
    refuted_by="95 % interval outside of that",
    others=(
        Threshold("time", 30.0, 20.0, 40.0, "time at which clusters are counted"),
        Threshold("radius", 0.7, 0.5, 1.0, "distance that joins tokens, in units of beta^(-1/2)"),
        Threshold("betas", 3, 3, 3, "values of beta that make a sweep"),
        RUNS,
    ),
    evidence=clusters_grow_with_beta,
    chart=lambda behind: curves.cluster_number(behind.own, behind.group),
    fitted={EXPONENT: "ln of the number of clusters, over (d - 1)/2"},
)
