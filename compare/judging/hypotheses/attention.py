"""H6, attention follows the clusters: that to the own cluster beyond what mask and positions give."""

import warnings
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable, balance
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
from compare.judging.reach import COARSE, Reach
from compare.metrics.calibrated.attention import PLANTED
from compare.statistics import RATE

PREFERENCES = "preferences for the own cluster, in every head,"
EXCLUDED = (
    "{sought} of {size} of {of} or more would have been seen here ({tried}); of smaller ones, and of single heads, "
    "nothing is said"
)


def attention_follows(group: Group, at: Thresholds) -> Evidence:
    """H6: log of the attention to a token's own cluster over what mask and positions give, less its null.

    Only depths that have clusters count, as for plateaus (H2): an excess of cluster life of `life` or more, and of
    `deviations` standard deviations of its null. Refuted only where a preference of the size that matters, planted in
    the same attention for clusters that it does not follow, is confirmed.
    """
    if not any("attention_follow" in run.measured for run in group.runs):
        lost = any(run.facts.get("attention_kept") is False for run in group.runs)
        raise NotApplicable(
            "the attention of these runs was not kept when they were measured"
            if lost
            else "no attention was recorded"
        )
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
    evidence = Evidence((_claim(found[np.isfinite(found)], at),), labels(chosen))
    if balance(evidence).p_refuted > RATE / 2:
        return evidence
    if not all("attention_follow_planted" in run.measured for run in chosen):
        return replace(
            evidence, doubt="no preference was planted when attention was measured, so measure it again"
        )

    def p_of(share: float, draw: int) -> float:
        planted = np.array([_planted(run, at, share, draw) for run in chosen])
        return balance(Evidence((_claim(planted, at),), labels(chosen))).p_confirmed

    draws = min(run.measured.sizes["planting"] for run in chosen)
    search = group.search
    if draws < search.looks[-1]:
        search = replace(COARSE, looks=(*(look for look in COARSE.looks if look < draws), draws))
    of = "what tokens give to other kept ones"
    reach = Reach(PREFERENCES, "preferences", at["matters"], PLANTED, p_of, search, of, words=EXCLUDED)
    return replace(evidence, reach=reach)


def _claim(values: Float[np.ndarray, " run"], at: Thresholds) -> Claim:
    return Claim("log attention to the own cluster, over mask and positions", "nat", values, low=at["delta"])


def _excess(run: MeasuredRun, at: Thresholds) -> float:
    """Mean over heads and depths with clusters; NaN where there is no such depth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means over nothing, which are NaN
        null = np.nanmean(run["attention_follow_null"], axis=0)
        return float(np.nanmean((run["attention_follow"] - null)[_clustered(run, at)]))


def _planted(run: MeasuredRun, at: Thresholds, share: float, draw: int) -> float:
    """The same of a preference planted in draw number so and so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        null = np.nanmean(run["attention_follow_null"], axis=(0, 2))
        found = run["attention_follow_planted"][PLANTED.index(share), draw] - null
        return float(np.nanmean(found[_clustered(run, at)]))


def _clustered(run: MeasuredRun, at: Thresholds) -> Bool[np.ndarray, " depth"]:
    """The depths that have clusters."""
    spread = run["cluster_life_null"].std(axis=0)
    return run["cluster_life_excess"] >= np.maximum(at["life"], at["deviations"] * spread)


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
    refuted_by=f"{BELOW}, and preferences of the size `matters`, planted in the same attention, would be confirmed",
    others=(
        Threshold(
            "matters",
            0.1,
            0.1,
            0.1,
            "share of each token's attention, moved to a cluster, that must be seen there",
        ),
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
