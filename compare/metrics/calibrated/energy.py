"""The noise of the interaction energy at one beta, and the share of its changes that are falls."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from compare.metrics.pairwise import pair_energy
from compare.metrics.variable import Variable
from sim.sphere import normalise

ROUNDINGS = 6
PRECISIONS = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

VARIABLES = {
    "energy": Variable(
        ("depth",),
        "interaction energy at the run's own beta",
        "1",
        "2312.10794, Section 3.4",
        "mean of exp(beta (<x_i, x_j> - 1)) over pairs i != j of kept tokens, weighted by their masses; NaN where beta "
        "is unknown",
    ),
    "energy_noise": Variable(
        ("depth",),
        "noise of the energy",
        "1",
        "calibrated",
        "standard deviation of energy over 6 re-roundings of the points at the recorded dtype, or at the solver's rtol "
        "where that is larger, not below its median over depths; NaN where beta is unknown",
    ),
}


def relative_noise(provenance: Mapping[str, Any]) -> float:
    """The unit roundoff of the recorded ``dtype`` (float64 where it is not said), or a larger ``rtol`` of a solver."""
    rounding = PRECISIONS.get(str(provenance.get("dtype", "float64")), PRECISIONS["float64"])
    return max(rounding, float(provenance.get("rtol") or 0))


def energy_noise(
    points: Float[np.ndarray, "depth token dim"],
    beta: float,
    masses: Float[np.ndarray, " token"],
    noise: float,
    seed: int = 0,
) -> Float[np.ndarray, " depth"]:
    """Standard deviation of `pair_energy` over 6 re-roundings, at each depth, not below its median over depths.

    A re-rounding multiplies each coordinate by 1 + noise u, u uniform in [-1, 1], and divides each point by its length.
    Arguments: points, beta, masses as in `pair_energy`; noise, as of `relative_noise`; seed, of u.
    """
    random = np.random.default_rng((seed, 3))
    energies = [
        pair_energy(normalise(points * (1 + noise * random.uniform(-1, 1, points.shape))), beta, masses)
        for _ in range(ROUNDINGS)
    ]
    deviation = np.std(energies, axis=0, ddof=1)
    return np.maximum(deviation, np.median(deviation))


def descent_share(
    energy: Float[np.ndarray, " depth"], noise: Float[np.ndarray, " depth"], z: float = 4.0
) -> tuple[float, int]:
    """f = sum of counted falls / sum of counted changes, and the number of counted steps.

    A step counts where it exceeds `z` times the larger noise of its two ends. f is 0 for an energy that only rises, 1
    for one that only falls, about 1/2 for aimless change, and NaN where no step counts.
    """
    change = np.diff(energy)
    counted = np.where(np.abs(change) > z * np.maximum(noise[1:], noise[:-1]), change, 0)
    total = np.abs(counted).sum()
    return (float(np.abs(np.minimum(counted, 0)).sum() / total) if total > 0 else np.nan), int(
        np.count_nonzero(counted)
    )
