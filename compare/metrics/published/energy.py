"""Group D of the post: the interaction energy over depth, and where it falls."""

import numpy as np
from jaxtyping import Float, Int

from compare.metrics.variable import Variable

BETAS = np.array([0.1, 1.0, 2.0, 5.0])
FALL = 1e-6
FALL_OK = 1e-4
FALL_RELATIVE = 1e-3
LEAST_RANK = 3
WORST = 10

_D1, _D2 = "post, Group D1", "post, Group D2"

VARIABLES = {
    "energy": Variable(
        ("depth", "beta"),
        "interaction energy",
        "1",
        "post, Group D1; 2312.10794, Section 3.4",
        "E_beta = sum_ij exp(beta <x_i, x_j>) / (2 beta n^2), diagonal included, every token of weight 1 / n; in "
        "(0, e^beta / (2 beta)]",
    ),
    "energy_increment": Variable(
        ("depth", "beta"),
        "step of the interaction energy",
        "1",
        _D1,
        "energy here minus energy at the depth before; NaN at the first depth",
    ),
    "energy_violation": Variable(
        ("depth", "beta"),
        "energy falls",
        "1",
        _D1,
        "energy_increment < -1e-6, at every transition: the count of the post's text tables; marked at the later depth",
    ),
    "energy_violation_gated": Variable(
        ("depth", "beta"),
        "energy falls, effective rank at least 3",
        "1",
        _D1,
        "energy_increment < -1e-6 and effective_rank >= 3 at the later depth: the count of the post's drop pairs",
    ),
    "energy_violation_relative": Variable(
        ("depth", "beta"),
        "energy falls by a thousandth",
        "1",
        "the post's later code, Group D1",
        "-energy_increment / |energy at the depth before| > 1e-3",
    ),
    "energy_ok": Variable(
        (),
        "EnergyOK",
        "1",
        _D1,
        "no energy_increment < -1e-4 at beta = 1",
    ),
    "drop_pair_change": Variable(
        ("depth", "beta", "worst"),
        "energy change of the worst pairs",
        "1",
        _D2,
        "(exp(beta <x_i, x_j>) here - at the depth before) / (2 beta n^2) of the ten pairs i < j where it is lowest, "
        "increasing; NaN where energy_violation_gated is false and beyond the number of pairs",
    ),
    "drop_pair_tokens": Variable(
        ("depth", "beta", "worst", "end"),
        "tokens of the worst pairs",
        "1",
        _D2,
        "tokens i < j of drop_pair_change; -1 where it is NaN",
    ),
}


def interaction_energy(
    cosines: Float[np.ndarray, "depth token token"], betas: Float[np.ndarray, " beta"] = BETAS
) -> Float[np.ndarray, "depth beta"]:
    """E_beta = sum_ij exp(beta G_ij) / (2 beta n^2) at each depth and beta > 0, diagonal included (post, Group D1).

    Largest, e^beta / (2 beta), where all tokens coincide. It is e^beta / (2 beta) times `sim.energy` at equal masses.
    """
    n = cosines.shape[-1]
    sums = [np.exp(beta * cosines).sum(axis=(1, 2)) / (2 * beta * n**2) for beta in betas]
    return np.stack(sums, axis=1)


def worst_pairs(
    before: Float[np.ndarray, "token token"], after: Float[np.ndarray, "token token"], beta: float
) -> tuple[Float[np.ndarray, " worst"], Int[np.ndarray, "worst end"]]:
    """The ten pairs i < j whose energy term falls most, with that change, lowest first (post, Group D2)."""
    n = len(before)
    above, right = np.triu_indices(n, k=1)
    change = (np.exp(beta * after[above, right]) - np.exp(beta * before[above, right])) / (2 * beta * n**2)
    order = np.argsort(change, kind="stable")[:WORST]
    values = np.full(WORST, np.nan)
    tokens = np.full((WORST, 2), -1)
    values[: len(order)] = change[order]
    tokens[: len(order)] = np.stack([above[order], right[order]], axis=1)
    return values, tokens


def energy_steps(
    points: Float[np.ndarray, "depth token dim"],
    energy: Float[np.ndarray, "depth beta"],
    rank: Float[np.ndarray, " depth"],
) -> dict[str, np.ndarray]:
    """Increments of the energy, its falls under the post's three thresholds, and the pairs behind them (Group D).

    Arguments: points; energy at `BETAS`; rank, the effective rank. Returns the arrays of `VARIABLES` but `energy`.
    """
    increment = np.full_like(energy, np.nan)
    increment[1:] = np.diff(energy, axis=0)
    relative = np.zeros(energy.shape, bool)
    relative[1:] = -increment[1:] / np.abs(energy[:-1]) > FALL_RELATIVE
    falls = increment < -FALL
    gated = falls & (rank >= LEAST_RANK)[:, None]
    change = np.full((*energy.shape, WORST), np.nan)
    tokens = np.full((*energy.shape, WORST, 2), -1)
    for depth in np.flatnonzero(gated.any(axis=1)):
        before, after = (points[at] @ points[at].T for at in (depth - 1, depth))
        for column in np.flatnonzero(gated[depth]):
            change[depth, column], tokens[depth, column] = worst_pairs(before, after, float(BETAS[column]))
    return {
        "energy_increment": increment,
        "energy_violation": falls,
        "energy_violation_gated": gated,
        "energy_violation_relative": relative,
        "energy_ok": np.array(not np.any(increment[:, BETAS == 1] < -FALL_OK)),
        "drop_pair_change": change,
        "drop_pair_tokens": tokens,
    }
