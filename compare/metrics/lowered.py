"""A state of lower interaction energy on the way back to an earlier one: what planted falls are made of."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import root_scalar

from compare.metrics.pairwise import pair_energy
from sim.sphere import normalise

ROUNDING = 1e-12


def lowered(
    points: Float[np.ndarray, "token d"],
    towards: Float[np.ndarray, "token d"],
    energy: float,
    beta: float,
    masses: Float[np.ndarray, " token"] | None = None,
) -> Float[np.ndarray, "token d"]:
    """Unit points at the given pair energy, each on the great circle from where it is to where it was.

    Arguments: unit points now, and of lower energy at an earlier depth; energy, between that of both, of
    `compare.metrics.pairwise.pair_energy` at `beta` and with these masses, or beyond by no more than rounding, where
    the nearer of both is returned.

    Raises ValueError for an energy that is not between. Cost: about ten pair energies, O(n^2 d) each.
    """

    def gone(part: float) -> Float[np.ndarray, "token d"]:
        return normalise((1 - part) * points + part * towards)

    def excess(part: float) -> float:
        return float(pair_energy(gone(part)[None], beta, masses)[0]) - energy

    now, then = excess(0.0), excess(1.0)
    if not then - ROUNDING * abs(energy) <= 0 <= now + ROUNDING * abs(energy):
        raise ValueError(
            f"energy must be between those of the two states, got {energy:.6g}, from {energy + then:.6g} to "
            f"{energy + now:.6g}: take a smaller fall"
        )
    if now <= 0 or then >= 0:
        return gone(0.0 if now <= 0 else 1.0)
    return gone(root_scalar(excess, bracket=(0.0, 1.0), xtol=1e-14).root)
