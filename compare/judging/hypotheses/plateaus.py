"""H2, clusters persist: how much of the depth the longest plateau fills, and how clustered the best third is."""

import numpy as np

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence
from compare.judging.group import (
    Group,
    MeasuredRun,
    Thresholds,
    finite,
    labels,
    require_dynamics,
    require_tokens,
)
from compare.judging.hypothesis import (
    ABOVE,
    BELOW,
    CLOSE,
    CLUSTER_VARIANTS,
    DYNAMICS,
    EVERY_RUN,
    LEAST_LIFE,
    LIFE_UNIT,
    MATTERS,
    ROTATION,
    SEEN,
    Hypothesis,
    Threshold,
)
from compare.judging.limits import CLUSTERS, STAGE, confirming, within_reach
from compare.statistics import share_below

SHARE = "share of depth in the longest plateau, over that of the null"
BEST_THIRD = "excess of cluster life over the best third of the depths"
PASSING = "clusters that stay for five twelfths of the depth"
PLATEAU_VARIANTS = ("least", "deviations", "successive", "ends", "depths", "loosening", "rival", "contrast")


def plateaus_persist(group: Group, at: Thresholds) -> Evidence:
    """H2: share of the depths that the longest plateau fills, less that of the null, and how clustered its stage is.

    Shares alone would confirm where some runs of a continuum have a few depths just above the least excess. So the
    excess of cluster life must be what H1 asks of the last third of the depths, over the third that has most of it.
    Refuted only where the share of runs with a plateau, as long as `long` and longer than in every null draw, is
    below one half too: where all shares are 0 their interval has no width; and where clusters of the size that matters,
    planted in the same runs for a part of the depth, are confirmed.
    """
    p_of = confirming(_persist, group, at, STAGE)
    return within_reach(_persist(group, at), group, at, f"{CLUSTERS} {PASSING}", p_of, "stage_closeness")


def _persist(group: Group, at: Thresholds) -> Evidence:
    require_dynamics(group, at)
    runs, effect = finite(
        require_tokens(group, at),
        lambda run: run.number("plateau_share_effect", at),
        at,
        " with a cluster life",
    )
    seen = sum(_has_plateau(run, at) for run in runs)
    return Evidence(
        (
            Claim(SHARE, "share", effect, low=at["delta"]),
            Claim(
                BEST_THIRD,
                LIFE_UNIT,
                np.array([run.number("stage_excess", at) for run in runs]),
                low=at["excess"],
                smallest_effect=at["excess"],
            ),
        ),
        labels(runs),
        guard=share_below(seen, len(runs), 0.5),
        note=f"{seen} of {len(runs)} runs have a plateau over {at['long']:g} of the depths that no null draw reaches",
    )


def _has_plateau(run: MeasuredRun, at: Thresholds) -> bool:
    own, null = run.number("plateau_share"), run["plateau_share_null"]
    return bool(own >= at["long"] and np.all(own > null))


HYPOTHESIS = Hypothesis(
    id="H2",
    statement="Clusters persist: metastable plateaus",
    source="post, Group B; 2410.06833",
    applies_to=EVERY_RUN,
    statistic=f"{SHARE}, and {BEST_THIRD}",
    unit=f"share, and {LIFE_UNIT}",
    null=ROTATION,
    smallest=Threshold("delta", 0.1, 0.05, 0.15, "least share of depth that matters"),
    rule=f"both: {ABOVE}",
    refuted_by=f"either: {BELOW}, and fewer than half of the runs have a plateau that no null draw reaches, at 95 %, "
    f"{SEEN}",
    others=(
        Threshold("excess", LEAST_LIFE, 0.15, 0.35, "least excess of cluster life over the best third"),
        Threshold(
            "long", 0.2, 0.1, 0.3, "share of depth that a run's plateau must fill to be counted as one"
        ),
        CLOSE,
        MATTERS,
        *DYNAMICS,
    ),
    evidence=plateaus_persist,
    variants=CLUSTER_VARIANTS + PLATEAU_VARIANTS,
    chart=lambda behind: curves.plateaus(behind.runs, f"{behind.group}: longest plateau of every run"),
)
