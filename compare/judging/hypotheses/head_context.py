"""P11, long context: heads of high temperature, on the scale of log n, merge their context."""

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from compare.judging.evidence import Evidence, NotApplicable, Undecided
from compare.judging.group import Group, Thresholds
from compare.judging.hypothesis import RUNS, Hypothesis
from compare.judging.reach import percent

LEAST_HEADS = 10


def cold_heads_keep_tokens_apart(group: Group, at: Thresholds) -> Evidence:
    """P11: rank correlation over the heads of a model of beta_eff (1 - rho)/ln n with how far apart they leave tokens.

    One number a text: of ``strength`` and ``merging`` of `compare.analyses.head_context`. Described only: random heads
    have it.
    """
    if any(run.is_control for run in group.runs):
        raise NotApplicable("these runs are controls, and the heads that were looked at are the trained ones")
    models = {str(run.facts.get("model")) for run in group.runs}
    tables = group.tables.get(models.pop()) if len(models) == 1 else None
    table = None if tables is None else tables.get("heads")
    if tables is not None and table is None:
        raise NotApplicable("the table of this model's heads is missing: `metasphere compare` makes it again")
    if table is None:
        raise NotApplicable(
            "the heads of no trained model are at hand: only models with known operators have them"
        )
    values = np.array([head_correlation(table.isel(text=place)) for place in range(table.sizes["text"])])
    good = np.isfinite(values)
    if good.sum() < at["runs"]:
        raise NotApplicable(
            f"needs at least {at['runs']} texts with {LEAST_HEADS} heads or more, got {good.sum()}"
        )
    raise Undecided(
        f"described, not judged: over {good.sum()} texts the rank correlation of beta_eff (1 - rho)/log n with the "
        f"spread that heads leave averages {values[good].mean():.2g}; logits of chance give .96 "
        "or more, as both come from one attention matrix and from 1 - rho, and no null keeps the entropy of a head and "
        f"loses its content. {_effective(table)}"
    )


def _effective(table: xr.Dataset) -> str:
    """N_eff of the heads, and whether they attend to themselves as it says, without the full stop."""
    middle = table[["effective_tokens", "self_weight", "foretold_self_weight"]].median("text")
    number, own, foretold = (middle[name].values.ravel() for name in middle)
    near = np.mean((own > foretold / 2) & (own < 2 * foretold))
    return (
        f"On the geometry of its own keys the median head attends to N_eff = {np.median(number):.2g} tokens beside its "
        f"own, and {percent(float(np.mean(number < 1)))} of the heads to less than one; {percent(float(near))} give "
        "themselves the weight 1/(1 + N_eff) within a factor of 2, and of the others, which look for places or for "
        "other tokens, N_eff is not the number that they attend to"
    )


def head_correlation(table: xr.Dataset) -> float:
    """NaN with fewer than 10 heads, or where all are alike."""
    strength, merging = table["strength"].values.ravel(), table["merging"].values.ravel()
    known = ~np.isnan(strength) & np.isfinite(merging)
    if known.sum() < LEAST_HEADS or np.ptp(merging[known]) == 0 or len(np.unique(strength[known])) == 1:
        return np.nan
    return float(np.corrcoef(rankdata(strength[known]), rankdata(merging[known]))[0, 1])


HYPOTHESIS = Hypothesis(
    id="P11",
    statement="Heads merge their context where beta_eff (1 - rho) is small against log n, "
    "and leave it apart where large",
    source="2510.05554",
    applies_to="trained models whose heads are given, with 6 texts or more",
    statistic="rank correlation over the heads of a model of beta_eff (1 - rho)/log n with the spread they leave",
    unit="correlation",
    null="none that keeps the entropy of a head and loses its content; logits of chance give 0.96 or more",
    smallest=None,
    rule="never: it is described, not judged",
    refuted_by="never: it is described, not judged",
    others=(RUNS,),
    evidence=cold_heads_keep_tokens_apart,
    whole=True,
)
