"""P12, the Pre-LN invariant: (1 - rho) r^2 is conserved where norms come before attention."""

import numpy as np

from compare.analyses.norm_invariant import SCHEMES, conservation
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_runs
from compare.judging.hypothesis import ABOVE, BELOW, RUNS, Hypothesis, Threshold


def spread_is_conserved(group: Group, at: Thresholds) -> Evidence:
    """P12: drift of the invariant (1 - rho) r^2 over a run, as a share of that of 1 - rho; 0 where it is conserved."""
    growing = tuple(
        run
        for run in group.runs
        if run.kept.sum() >= 2
        and _scheme(run) in SCHEMES
        and np.isfinite(run.beta)
        and run.facts.get("frame") != "read"  # whose lengths are not those of the residual
    )
    if not growing:
        raise NotApplicable("only Pre-LN and Peri-LN conserve it, and no run with a known beta is one")
    chosen, drift = finite(
        require_runs(growing, at, " of Pre-LN or Peri-LN"),
        lambda run: relative_drift(run, at["moved"]),
        at,
        f" over which ln(1 - rho) changes by {at['moved']:g} or more",
    )
    return Evidence(
        (Claim("drift of (1 - rho) r^2, over that of 1 - rho", "ratio", drift, high=at["drift"]),),
        labels(chosen),
    )


def relative_drift(run: MeasuredRun, moved: float) -> float:
    """By the form that is exact for tokens at one mutual cosine; NaN where 1 - rho hardly changes."""
    found = conservation(run.trajectory, run.beta, run.kept)
    gap, exact, product = (float(found[name]) for name in ("gap_drift", "invariant_drift", "product_drift"))
    return abs(exact if np.isfinite(exact) else product) / abs(gap) if abs(gap) >= moved else np.nan


def _scheme(run: MeasuredRun) -> str | None:
    return run.facts.get("scheme") or run.facts.get("norm")


HYPOTHESIS = Hypothesis(
    id="P12",
    statement="Pre-LN and Peri-LN conserve (1 - rho) r^2: directions meet only as fast as lengths grow",
    source="2510.22026",
    applies_to="runs of Pre-LN or Peri-LN, of a model or a simulation, whose beta is known",
    statistic="drift of the invariant over a run, as a share of that of 1 - rho",
    unit="ratio",
    null="no conservation: 1 where lengths stay as they are",
    smallest=Threshold("drift", 0.2, 0.1, 0.4, "largest drift that is still conservation"),
    rule=BELOW,
    refuted_by=ABOVE,
    others=(Threshold("moved", 0.2, 0.1, 0.4, "change of ln(1 - rho) that there must be"), RUNS),
    evidence=spread_is_conserved,
    whole=True,
)
