"""The divergence of a model from the theory: from which depth on, and by which part of its blocks."""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from compare import theory
from compare.analyses.energy_budget import ATTENTION
from compare.analyses.idealised import effective_time, idealised_blocks, whole_depths
from compare.metrics.pairwise import components, kept, mean_cosine, pair_energy
from sim.trajectory import Trajectory

TOLERANCE = 0.1
RADIUS = 1.0
QUANTITIES = ("mean_cosine", "energy", "cluster_share")
MODEL, BLOCKS, CLOSED_FORM, LEARNED = "model", "idealised blocks", "closed form", "learned dynamics"


def divergence(
    trajectory: Trajectory,
    beta: float,
    *,
    learned: Trajectory | None = None,
    parts: xr.Dataset | None = None,
    keep: Bool[np.ndarray, " token"] | None = None,
    tolerance: float = TOLERANCE,
) -> xr.Dataset:
    """Three quantities of a model over depth beside those of the theory, and where they part.

    | run | what it is | its time |
    |---|---|---|
    | ``model`` | the trajectory at its whole depths | `compare.analyses.idealised.effective_time` |
    | ``idealised blocks`` | its first state through blocks x <- x + A(x), Q = K = V = I | the same, of its states |
    | ``closed form`` | equiangular tokens under SA, from the model's first mean cosine | the model's |
    | ``learned dynamics`` | `learned`, where given | the same, of its states |

    | quantity | definition | range |
    |---|---|---|
    | ``mean_cosine`` | mean of <theta_i, theta_j> over pairs i < j | [-1, 1] |
    | ``energy`` | mean over pairs of e^(beta (<theta_i, theta_j> - 1)) | (0, 1] |
    | ``cluster_share`` | clusters over tokens: components of single linkage at the chord beta^(-1/2) | (0, 1] |

    The closed form has one cosine gamma for all pairs. beta^(-1/2) is, for large beta, the distance at which the pull
    between two tokens is strongest (2411.04990). Runs are compared at
    equal depth, after as many blocks, and the closed form at the model's time. They diverge at the first depth from
    which on they differ by more than `tolerance`, up to the last.

    The energy of the theory changes by attention alone. So the difference of the energies grows, over any depths, by
    the model's parts less, in attention, the change of the other run: the ``excess``. The part with the largest one
    in size, from the last depth before they diverge to the end, is the ``leading_part``.

    Arguments
    ---------
    trajectory: of a model on the axis ``"layer"``, with ``provenance["scheme"]``; depths between are left out.
    beta: inverse temperature of the theory and of the energy, > 0.
    learned: the same tokens at the same whole depths, such as ``probe.dynamics.layer_by_layer`` makes; its frame is
        ``"layernorm"``, and so should that of `trajectory` be.
    parts: what `compare.analyses.energy_budget` says of the same run, beta and keep; without it no part is named.
    keep: tokens between which all is measured; those that `compare.metrics.exclusions` keeps where None. The idealised
        blocks have all tokens.
    tolerance: of the difference, in the units of the quantity.

    Returns
    -------
    An `xarray.Dataset` over (run, depth): ``time`` (unit: t of SA) and the three quantities, NaN for the closed form
    where there is none (causal mask, or from consensus). Over (against, quantity), with ``against`` the runs but the
    model: ``parting_depth`` and ``parting_time`` (of the model), NaN where they do not diverge or there is nothing to
    diverge from; ``leading_part``, "" likewise, and ``leading_share``, its size over the sum of sizes, in [0, 1].
    ``excess`` (against, depth, part): cumulative from depth 0; its sum over ``part`` is the growth of the difference
    of energies. Without `parts` the last three are missing.

    Raises ValueError for a beta or tolerance that is not above 0, a scheme that is not known, runs that do not fit.
    Cost: O(L n^2 d).
    """
    if not (np.isfinite(beta) and beta > 0 and tolerance > 0):
        raise ValueError(f"beta and tolerance must be above 0, got {beta} and {tolerance}")
    model, chosen = whole_depths(trajectory), kept(trajectory, keep)
    runs = {MODEL: model, BLOCKS: idealised_blocks(model, beta)}
    if learned is not None:
        runs[LEARNED] = _fitting(learned, model)
    rows = {name: _followed(run, beta, chosen) for name, run in runs.items()}
    rows[CLOSED_FORM] = _closed_form(model, rows[MODEL], beta, int(chosen.sum()))
    values = np.stack(list(rows.values()))
    found = xr.Dataset(
        {
            name: (("run", "depth"), column)
            for name, column in zip(("time", *QUANTITIES), values.transpose(1, 0, 2))
        },
        coords={"run": list(rows), "depth": model.depth, "quantity": list(QUANTITIES)},
        attrs={"beta": beta, "tolerance": tolerance, "radius": RADIUS / np.sqrt(beta)},
    )
    found["time"].attrs["units"] = "time t of SA"
    found = found.assign_coords(against=list(rows)[1:])
    apart = np.abs(values[1:, 1:] - values[:1, 1:]) > tolerance
    places = np.array([[_last_run(depths) for depths in run] for run in apart])
    diverged = places < len(model.depth)
    at = np.minimum(places, len(model.depth) - 1)
    for name, axis in (("parting_depth", model.depth), ("parting_time", rows[MODEL][0])):
        found[name] = (("against", "quantity"), np.where(diverged, axis[at], np.nan))
    return found if parts is None else found.merge(_led(found, parts, places))


def _fitting(learned: Trajectory, model: Trajectory) -> Trajectory:
    run = whole_depths(learned)
    if not np.array_equal(run.depth, model.depth) or run.tokens != model.tokens:
        raise ValueError(
            f"learned must have the tokens and depths of the model, got {len(run.tokens)} tokens at {len(run.depth)} "
            f"depths against {len(model.tokens)} at {len(model.depth)}: make it with layer_by_layer on the same text"
        )
    return run


def _followed(
    run: Trajectory, beta: float, chosen: Bool[np.ndarray, " token"]
) -> Float[np.ndarray, "row depth"]:
    """Time, mean cosine, energy and share of clusters."""
    points = run.points[:, chosen]
    return np.stack(
        [
            effective_time(run, beta),
            mean_cosine(points),
            pair_energy(points, beta),
            components(points, RADIUS / np.sqrt(beta)) / points.shape[1],
        ]
    )


def _closed_form(
    model: Trajectory, followed: Float[np.ndarray, "row depth"], beta: float, tokens: int
) -> Float[np.ndarray, "row depth"]:
    """The rows of equiangular tokens: all clusters merge when their chord sqrt(2 (1 - gamma)) is within the radius."""
    time, start = followed[0], followed[1, 0]
    if model.provenance.get("causal", False) or not -1 / (tokens - 1) < start < 1 - 1e-9:
        return np.stack([time, *np.full((3, len(time)), np.nan)])
    cosine = theory.gamma(time, n=tokens, beta=beta, start=start)
    apart = 2 * (1 - cosine) > RADIUS**2 / beta
    return np.stack([time, cosine, np.exp(beta * (cosine - 1)), np.where(apart, 1.0, 1 / tokens)])


def _last_run(apart: Bool[np.ndarray, " depth"]) -> int:
    """The place from which on all are apart; their number where the last is not."""
    together = np.flatnonzero(~apart)
    return int(together[-1]) + 1 if len(together) else 0


def _led(found: xr.Dataset, parts: xr.Dataset, places: np.ndarray) -> xr.Dataset:
    """The excess by part, and which part leads from the last depth before each divergence to the end."""
    names = list(parts["part"].values)
    energy = found["energy"].values
    change = parts["change"].values
    own = np.diff(energy[0])
    if change.shape[0] != len(own) or not np.allclose(change.sum(axis=1), own, rtol=0, atol=1e-9):
        raise ValueError(
            "parts do not add up to the change of the model's energy: make them by decomposition of the same run, "
            "at the same beta, with the same keep"
        )
    total = np.concatenate([np.zeros((1, len(names))), np.cumsum(change, axis=0)])
    excess = np.repeat(total[None], len(energy) - 1, axis=0)
    excess[:, :, names.index(ATTENTION)] -= energy[1:] - energy[1:, :1]
    last = excess.shape[1] - 1
    leading = np.full(places.shape, "", object)
    share = np.full(places.shape, np.nan)
    for against, quantity in zip(*np.nonzero(places <= last)):
        begin = max(places[against, quantity] - 1, 0)
        grown = np.abs(excess[against, last] - excess[against, begin])
        if grown.sum() > 0:
            leading[against, quantity] = str(names[int(np.argmax(grown))])
            share[against, quantity] = grown.max() / grown.sum()
    per_pair = ("against", "quantity")
    return xr.Dataset(
        {
            "excess": (("against", "depth", "part"), excess),
            "leading_part": (per_pair, leading),
            "leading_share": (per_pair, share),
        },
        coords={"part": names},
    )
