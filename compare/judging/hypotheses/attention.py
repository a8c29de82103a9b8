"""H6, attention follows the clusters: that to the own cluster beyond what mask and positions give."""

import warnings

import numpy as np

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import (
    Group,
    MeasuredRun,
    Thresholds,
    labels,
    require_dynamics,
    require_runs,
    require_tokens,
)
from compare.judging.hypothesis import ABOVE, BELOW, DYNAMICS, LEAST_LIFE, Hypothesis, Threshold


def attention_follows(group: Group, at: Thresholds) -> Evidence:
    """H6: log of the attention to a token's own cluster over what mask and positions give, less its null.

    Only depths that have clusters count, as for plateaus (H2): an excess of cluster life of `life` or more, and of
    `deviations` standard deviations of its null.
    """
    if not any("attention_follow" in run.measured for run in group.runs):
        raise NotApplicable("no attention was recorded")
    require_dynamics(group, at)
    runs = tuple(run for run in require_tokens(group, at) if "attention_follow" in run.measured)
    require_runs(runs, at, f" with attention and {at['tokens']} different tokens or more")
    found = np.array([_excess(run, at) for run in runs])
    chosen = tuple(run for run, value in zip(runs, found) if np.isfinite(value))
    if len(chosen) < at["runs"]:
        raise NotApplicable(
            f"no clusters to follow: {len(chosen)} of {len(runs)} runs have a depth with clusters and attention, "
            f"needs {at['runs']}"
        )
    return Evidence(
        (
            Claim(
                "log attention to the own cluster, over mask and positions",
                "nat",
                found[np.isfinite(found)],
                low=at["delta"],
            ),
        ),
        labels(chosen),
    )


def _excess(run: MeasuredRun, at: Thresholds) -> float:
    """Mean over heads and depths with clusters; NaN where there is no such depth."""
    spread = run["cluster_life_null"].std(axis=0)
    clustered = run["cluster_life_excess"] >= np.maximum(at["life"], at["deviations"] * spread)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means over nothing, which are NaN
        null = np.nanmean(run["attention_follow_null"], axis=0)
        return float(np.nanmean((run["attention_follow"] - null)[clustered]))


HYPOTHESIS = Hypothesis(
    id="H6",
    statement="Attention follows the clusters",
    source="post, Group C",
    applies_to="runs with attention and with dynamics, at depths that have clusters",
    statistic="log of the attention given to the own cluster over that which mask and positions give, less its null",
    unit="nat",
    null="labels moved along the text, against attention that knows the mask and the distance only",
    smallest=Threshold(
        "delta",
        0.02,
        0.01,
        0.05,
        "least log ratio that matters: weights 1.5 times as large inside clusters read 0.03 or more, since "
        "keys and distances take up the rest",
    ),
    rule=ABOVE,
    refuted_by=BELOW,
    others=(
        Threshold(
            "life", LEAST_LIFE, 0.15, 0.35, "least excess of cluster life of a depth that has clusters"
        ),
        Threshold("deviations", 2.5, 2.0, 3.0, "standard deviations of its null that it must exceed"),
        *DYNAMICS,
    ),
    evidence=attention_follows,
    chart=lambda behind: curves.follow(
        list(behind.runs.values()), f"{behind.group}: attention within clusters"
    ),
)
