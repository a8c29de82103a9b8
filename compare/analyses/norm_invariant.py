"""The Pre-LN invariant: the spread of the directions against the length of the residual (2510.22026)."""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from compare import theory
from compare.analyses.idealised import whole_depths
from compare.metrics.pairwise import kept, mean_gap
from sim.trajectory import Trajectory

SCHEMES = ("pre", "peri")


def conservation(
    trajectory: Trajectory,
    beta: float,
    keep: Bool[np.ndarray, " token"] | None = None,
    *,
    since: float = 0.0,
) -> xr.Dataset:
    """(1 - rho) r^2 over depth, which the theory of Pre-LN conserves near consensus, and how far a run lets it drift.

    Tokens x_i = r_i theta_i to which attention adds nearly one and the same vector keep their differences, so that
    1 - rho falls as 1/r^2: directions converge because lengths grow. Away from consensus the conserved quantity of
    equiangular tokens without a mask is (1 - rho) r^2 times a factor of rho, n and beta (``theory.norm_invariant``),
    which holds along the flow: a block that is long against r, as the first of a trained model, breaks it too.

    Arguments
    ---------
    trajectory: of a Pre-LN model (``provenance["scheme"]`` ``"pre"``), of its idealised blocks, of learned dynamics,
        or a simulation with the scheme ``"pre"`` or ``"peri"`` (``provenance["norm"]``).
    beta: inverse temperature, >= 0, of the exact form alone.
    keep: tokens that count; those that `compare.metrics.exclusions` keeps where None, without sinks, whose length has
        outgrown all others.
    since: the depth from which on drifts are counted. The embedding of a trained model can be 50 times shorter than
        the residual after one block, so that from 0 on a drift is mostly that of its first block.

    Returns
    -------
    An `xarray.Dataset` over depth, without the depths between:

    - ``gap``: 1 - rho, rho the mean cosine over pairs i < j; ``radius``: root mean square of the kept lengths, of a
      model in units of sqrt(d), the length of what its attention reads.
    - ``product``: gap radius^2. ``invariant``: the exact form; NaN where rho is outside (-1/(n-1), 1).

    and as single numbers, in nats from `since` to the end, 0 where the quantity is conserved:

    - ``product_drift``: ln of last over first product, the sum of ``gap_drift``, ln of last over first gap (negative
      where directions converge), and ``radius_drift``, 2 ln of last over first radius.
    - ``invariant_drift``: of the exact form.

    A drift is to be held against ``gap_drift``: the theory says that the lengths pay for all of it.

    Raises ValueError for another scheme, whose lengths are fixed, for the frame ``"read"``, whose lengths are not
    those of the residual, fewer than 2 tokens, or fewer than 2 depths since `since`. Cost: O(L n d).
    """
    facts = trajectory.provenance
    if facts.get("frame") == "read":
        raise ValueError(
            "the frame 'read' has not the lengths of the residual: give extract(..., frame='layernorm')"
        )
    scheme = facts.get("scheme") or facts.get("norm")
    if scheme not in SCHEMES:
        raise ValueError(
            f"only schemes whose lengths grow have this invariant, {' and '.join(SCHEMES)}, got {scheme!r}: give a "
            "pre-LN run"
        )
    chosen = kept(trajectory, keep)
    of_model = trajectory.axis == "layer"
    run = whole_depths(trajectory) if of_model else trajectory
    counted = run.depth >= since
    if counted.sum() < 2:
        raise ValueError(f"need 2 depths since {since:g}, got {counted.sum()}: lower since")
    gap = mean_gap(run.points[:, chosen])
    unit = np.sqrt(run.points.shape[-1]) if of_model else 1.0
    radius = np.sqrt(np.mean((run.norms[:, chosen] / unit) ** 2, axis=1))
    product = gap * radius**2
    invariant = _invariant(gap, int(chosen.sum()), beta, radius)
    drifts = {
        "product_drift": _drift(product[counted]),
        "gap_drift": _drift(gap[counted]),
        "radius_drift": 2 * _drift(radius[counted]),
        "invariant_drift": _drift(invariant[counted]),
    }
    over_depth = {"gap": gap, "radius": radius, "product": product, "invariant": invariant}
    return xr.Dataset(
        {name: ("depth", values) for name, values in over_depth.items()}
        | {name: ((), value, {"units": "nat"}) for name, value in drifts.items()},
        coords={"depth": ("depth", run.depth, {"axis": run.axis})},
        attrs={"beta": beta, "scheme": scheme, "since": since},
    )


def _invariant(
    gap: Float[np.ndarray, " depth"], tokens: int, beta: float, radius: Float[np.ndarray, " depth"]
) -> Float[np.ndarray, " depth"]:
    inside = (1 - gap < 1) & (gap < tokens / (tokens - 1))
    found = theory.norm_invariant(np.where(inside, 1 - gap, 0.5), tokens, beta, radius)
    return np.where(inside, found, np.nan)


def _drift(values: Float[np.ndarray, " depth"]) -> float:
    """ln of last over first; NaN where either is not above 0 or not finite."""
    ends = values[[0, -1]]
    return float(np.log(ends[1] / ends[0])) if np.all(np.isfinite(ends) & (ends > 0)) else np.nan
