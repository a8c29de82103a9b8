"""What goes with the speed at which models collapse: spectrum of O V, dimension, depth, over all models at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy import stats

from compare.overlay import effective_time, whole_depths
from compare.pairs import kept, mean_gap
from sim.trajectory import Trajectory

COLLAPSED = 1e-5
SPEEDS = ("per_layer", "per_time")
PREDICTORS = ("spectral_radius", "width", "blocks")
MOST_EXACT = 8
DRAWS = 100_000
SAME = 1e-12


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
    beta: inverse temperature of the idealised blocks whose clock is used (`compare.overlay.effective_time`).
    keep: tokens that count; those that `compare.treatment` keeps where None.

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


class Association(NamedTuple):
    """Spearman's correlation over a few models.

    p: two-sided, from permutations. least_p: the smallest p that this many models could have given; where it is above
    0.05, nothing can be concluded. low, high: an interval of 95 %. models: how many. NaN for fewer than 4.
    """

    correlation: float
    p: float
    least_p: float
    low: float
    high: float
    models: int


def association(left: ArrayLike, right: ArrayLike, seed: int = 0) -> Association:
    """Spearman's correlation with what so few numbers can say about it.

    p is the share of all n! orders of the ranks with a correlation as large in size, ties included; beyond n = 8, of
    100,000 random orders and the given one. At best it is 2/n!: 0.083 for 4 models, 0.017 for 5, so below 5 no
    correlation is significant however perfect.

    The interval is that of Bonett and Wright (2000), tanh(atanh r -+ 1.96 sqrt((1 + r^2/2)/(n - 3))), with r no
    larger than half a step below 1, which it has to be at r = 1: a step is 12/(n (n^2 - 1)), the effect of one swap
    of neighbours. For a bivariate normal law it covers 95 % or more from n = 4 to 8.

    Arguments: left, right, one number a model; models with NaN in either are left out. Raises ValueError for lengths
    that differ. NaN where fewer than 4 models are left or all are equal on one side.
    """
    pair = np.stack(np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float)))
    if pair.ndim != 2:
        raise ValueError(f"left and right must be one number a model, got shape {pair.shape[1:]}")
    first, second = pair[:, np.isfinite(pair).all(axis=0)]
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Association(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    first, second = _scaled_ranks(first), _scaled_ranks(second)
    own = float(first @ second)
    others = np.abs(second[_orders(n, seed)] @ first)
    largest = 1 - 6 / (n * (n**2 - 1))
    z = np.arctanh(np.clip(own, -largest, largest))
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + np.tanh(z) ** 2 / 2) / (n - 3))
    return Association(
        correlation=own,
        p=float(np.mean(others >= abs(own) - SAME)),
        least_p=float(np.mean(others >= others.max() - SAME)),
        low=float(np.tanh(z - reach)),
        high=float(np.tanh(z + reach)),
        models=n,
    )


def _scaled_ranks(values: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    centred = stats.rankdata(values) - (len(values) + 1) / 2
    return centred / np.linalg.norm(centred)


def _orders(n: int, seed: int) -> np.ndarray:
    """All orders of n things, or many random ones and the given one."""
    if n <= MOST_EXACT:
        return np.array(list(permutations(range(n))))
    random = np.random.default_rng(seed)
    drawn = random.permuted(np.broadcast_to(np.arange(n), (DRAWS, n)), axis=1)
    return np.concatenate([np.arange(n)[None], drawn])


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
