"""H6: does attention follow the clusters, beyond what the mask and the positions alone give?"""

import warnings

import numpy as np

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
