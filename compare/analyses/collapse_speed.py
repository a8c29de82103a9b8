"""The speed at which models collapse, and its rank correlation with the spectrum of O V, the width and the depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool

from compare.analyses.idealised import effective_time, whole_depths
from compare.metrics.pairwise import kept, mean_gap
from compare.statistics import Association, association
from sim.trajectory import Trajectory

COLLAPSED = 1e-5
SPEEDS = ("per_layer", "per_time")
PREDICTORS = ("spectral_radius", "width", "blocks")


class Speed(NamedTuple):
    """-d ln(1 - rho) per block, and per unit of effective time t of SA; positive where tokens converge."""

    per_layer: float
    per_time: float


def collapse_speed(
    trajectory: Trajectory, beta: float, keep: Bool[np.ndarray, " token"] | None = None
) -> Speed:
    """How fast the tokens of a model converge: minus the least-squares slope of ln(1 - rho) over depth.

    rho is the mean cosine over pairs i < j of kept tokens. Depths with 1 - rho below 1e-5, where the rounding of
    single precision shows, are left out. SA near consensus has speed 2 per unit of time, so 1 per Post-LN block.

    Arguments
    ---------
    trajectory: of a model on the axis ``"layer"``, with ``provenance["scheme"]``.
    beta: inverse temperature of the idealised blocks whose clock is used (`compare.analyses.idealised.effective_time`).
    keep: tokens that count; those that `compare.metrics.exclusions` keeps where None.

    Returns both speeds, NaN with fewer than 3 depths left. Raises ValueError for a simulation, a scheme that is not
    known, or fewer than 2 tokens. Source: ours; the post has no speed, only the layer at which mass passes 0.9.
    """
    chosen, run = kept(trajectory, keep), whole_depths(trajectory)
    gap = mean_gap(run.points[:, chosen])
    used = gap > COLLAPSED
    if used.sum() < 3:
        return Speed(np.nan, np.nan)
    clocks = (run.depth, effective_time(run, beta))
    return Speed(*(float(-np.polyfit(clock[used], np.log(gap[used]), 1)[0]) for clock in clocks))


@dataclass(frozen=True)
class Collapse:
    """One model: mean speeds over its runs, and what might govern them.

    per_layer, per_time: means of `Speed` over texts; per_layer_sd: the standard deviation of the first, NaN for one
    run. spectral_radius: mean over layers of that of O V, all heads together; NaN where not known. width: dimension of
    the states. blocks: number of blocks. runs: number of texts.
    """

    model: str
    per_layer: float
    per_time: float
    per_layer_sd: float
    spectral_radius: float
    width: int
    blocks: int
    runs: int


def of_model(runs: Sequence[Trajectory], beta: float, spectra: xr.Dataset | None = None) -> Collapse:
    """The row of one model.

    Arguments
    ---------
    runs: of the model on several texts, at least one, all with the same weights, mask and number of blocks.
    beta: as of `collapse_speed`; one for the model.
    spectra: ``probe.spectra(probe.operators(model), together=True)``, whose ``spectral_radius`` no basis inside a head
        moves; None where the model has no operators.

    Raises ValueError for runs of different models, or none.
    """
    facts = {
        (run.provenance.get("model"), run.provenance.get("init"), run.points.shape[-1], int(run.depth[-1]))
        for run in runs
    }
    if len(facts) != 1:
        raise ValueError(f"runs must be of one model and depth, got {len(facts)}: make a row for each")
    ((model, init, width, blocks),) = facts
    speeds = np.array([collapse_speed(run, beta) for run in runs])
    return Collapse(
        model=f"{model}, random" if init == "random" else str(model),
        per_layer=float(speeds[:, 0].mean()),
        per_time=float(speeds[:, 1].mean()),
        per_layer_sd=float(speeds[:, 0].std(ddof=1)) if len(runs) > 1 else np.nan,
        spectral_radius=np.nan if spectra is None else float(spectra["spectral_radius"].mean()),
        width=width,
        blocks=blocks,
        runs=len(runs),
    )


def collapse(rows: Sequence[Collapse], seed: int = 0) -> xr.Dataset:
    """The table of all models, and how each speed goes with each predictor over them.

    Returns an `xarray.Dataset` with the fields of `Collapse` over ``model``, and those of `Association` over (speed,
    predictor): speed ``"per_layer"`` and ``"per_time"``, predictor ``"spectral_radius"`` of O V, ``"width"`` and
    ``"blocks"``. Trained models differ in all of these at once, so a correlation with one of them is no cause; a model
    and its random twin are two rows of one architecture, and not independent: leave one of them out.

    Raises ValueError for two rows of one name. Source of the question: the post, Group E, which concludes from two
    models that the spectral radius of V governs collapse (H5).
    """
    table = {field: [getattr(row, field) for row in rows] for field in Collapse.__dataclass_fields__}
    if len(set(table["model"])) != len(rows):
        raise ValueError(f"each model needs one row, got {table['model']}: give each a name of its own")
    found = [[association(table[speed], table[name], seed) for name in PREDICTORS] for speed in SPEEDS]
    return xr.Dataset(
        {name: ("model", values) for name, values in table.items() if name != "model"}
        | {
            name: (("speed", "predictor"), np.array([[getattr(cell, name) for cell in row] for row in found]))
            for name in Association._fields
        },
        coords={"model": table["model"], "speed": list(SPEEDS), "predictor": list(PREDICTORS)},
    )
