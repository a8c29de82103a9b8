"""Correlations over layers as the post has them: attention and clusters, energy and plateaus, mergers, rank."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy import stats

from compare.metrics.variable import Variable, labelled

COSTLY = 1.5

_E = "post, cross-statistics"

VARIABLES = {
    "fiedler_cluster_correlation": Variable(
        (),
        "attention against clusters",
        "1",
        _E,
        "Spearman's correlation, over the depths with attention, of the mean Sinkhorn-Fiedler value over heads and "
        "hdbscan_clusters; NaN without attention, and where either is constant or fewer than 3 depths are defined",
    ),
    "fiedler_cluster_p": Variable(
        (),
        "its p-value",
        "1",
        _E,
        "two-sided p of fiedler_cluster_correlation by Student's t, as if the depths were independent, which they "
        "are not: neighbours are alike, so it is far too small",
    ),
    "violations_on_plateaus": Variable(
        ("beta",),
        "share of energy falls on plateaus",
        "1",
        _E,
        "share of the depths with energy_violation_gated that lie on a plateau of mass_near_one; NaN without a fall",
    ),
    "merge_cost": Variable(
        ("beta",),
        "energy change at mergers over that elsewhere",
        "1",
        _E,
        "mean |energy_increment| at depths where clusters merge over that at the other depths, with the merger marked "
        "at the earlier depth of its transition and the increment at the later one, as in the post's code: one step "
        "apart; NaN where either group is empty or the second mean is 0",
    ),
    "merge_cost_aligned": Variable(
        ("beta",),
        "energy change at mergers over that elsewhere, same step",
        "1",
        "post, cross-statistics, with both marked at the later depth",
        "as merge_cost with merger and increment of one transition",
    ),
    "merges_costly": Variable(
        ("beta",), "mergers cost energy", "1", _E, f"merge_cost > {COSTLY}; False where it is NaN"
    ),
    "energy_rank_correlation": Variable(
        ("beta",),
        "energy steps against the next change of rank",
        "1",
        _E,
        "Spearman's correlation over depths of |energy_increment| and the change of effective_rank over the next "
        "step; NaN where either is constant or fewer than 3 depths are defined",
    ),
    "energy_rank_p": Variable(
        ("beta",), "its p-value", "1", _E, "two-sided p of it, with the same fault as fiedler_cluster_p"
    ),
}


def across_layers(measured: xr.Dataset) -> xr.Dataset:
    """Correlations over the layers of one run, as the post has them, traps included.

    The layers of a run are 12 to 48 numbers of which each resembles the last, so that two quantities that merely drift
    are correlated, and the p-values, which take layers for independent, mean nothing. `VARIABLES` has the definitions.

    Arguments: measured, what ``measure(run, preset="published")`` returns.
    Returns a data set with dimension ``beta`` (0.1, 1, 2, 5). Raises ValueError for another preset.
    """
    if measured.attrs.get("preset") != "published":
        raise ValueError(
            f'these need measurements with preset "published", got {measured.attrs.get("preset")!r}: '
            'call measure(run, preset="published")'
        )
    betas = measured["beta"].values
    steps = np.abs(measured["energy_increment"].values)
    falls = measured["energy_violation_gated"].values
    on_plateau = measured["plateau"].sel(signal="mass_near_one").values > 0
    merged = measured["cluster_merges"].values > 0
    rank_next = np.append(np.diff(measured["effective_rank"].values), np.nan)
    earlier = np.append(merged[1:], False)
    fiedler = np.full(len(steps), np.nan)
    if "sinkhorn_fiedler" in measured:
        fiedler = measured["sinkhorn_fiedler"].mean("head").values
    attention = spearman(fiedler, measured["hdbscan_clusters"].values)
    ranks = np.array([spearman(column, rank_next) for column in steps.T])
    cost = np.array([_cost(column, earlier) for column in steps.T])
    values: Mapping[str, Any] = {
        "fiedler_cluster_correlation": attention[0],
        "fiedler_cluster_p": attention[1],
        "violations_on_plateaus": [_share(on_plateau, column) for column in falls.T],
        "merge_cost": cost,
        "merge_cost_aligned": [_cost(column, merged) for column in steps.T],
        "merges_costly": cost > COSTLY,
        "energy_rank_correlation": ranks[:, 0],
        "energy_rank_p": ranks[:, 1],
    }
    return xr.Dataset(labelled(VARIABLES, values), coords={"beta": betas})


def spearman(left: Float[np.ndarray, " depth"], right: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation and Student's p over the places where both are defined; NaN where it does not exist."""
    defined = np.isfinite(left) & np.isfinite(right)
    left, right = left[defined], right[defined]
    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return np.nan, np.nan
    found: Any = stats.spearmanr(left, right)
    return float(found.statistic), float(found.pvalue)


def _share(marked: Bool[np.ndarray, " depth"], among: Bool[np.ndarray, " depth"]) -> float:
    return float(marked[among].mean()) if among.any() else np.nan


def _cost(steps: Float[np.ndarray, " depth"], merged: Bool[np.ndarray, " depth"]) -> float:
    """Mean step where `merged`, over the mean elsewhere, over the depths that have a step."""
    defined = np.isfinite(steps)
    at, elsewhere = steps[defined & merged], steps[defined & ~merged]
    if not len(at) or not len(elsewhere) or elsewhere.mean() == 0:
        return np.nan
    return float(at.mean() / elsewhere.mean())
