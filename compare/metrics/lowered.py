"""A state of lower interaction energy on the way back to an earlier one: what planted falls are made of."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import root_scalar

from compare.metrics.pairwise import pair_energy
from sim.sphere import normalise


def lowered(
    points: Float[np.ndarray, "token d"],
    towards: Float[np.ndarray, "token d"],
    energy: float,
    beta: float,
    masses: Float[np.ndarray, " token"] | None = None,
) -> Float[np.ndarray, "token d"]:
    """Unit points at the given pair energy, each on the great circle from where it is to where it was.

    Arguments: unit points now, and of lower energy at an earlier depth; energy, between that of both, of
    `compare.metrics.pairwise.pair_energy` at `beta` and with these masses.

    Raises ValueError for an energy that is not between. Cost: about ten pair energies, O(n^2 d) each.
    """

    def gone(part: float) -> Float[np.ndarray, "token d"]:
        return normalise((1 - part) * points + part * towards)

    def excess(part: float) -> float:
        return float(pair_energy(gone(part)[None], beta, masses)[0]) - energy

    if not excess(1.0) <= 0 <= excess(0.0):
        raise ValueError(
            f"energy must be between those of the two states, got {energy:.6g}, from {energy + excess(1.0):.6g} to "
            f"{energy + excess(0.0):.6g}: take a smaller fall"
        )
    return gone(root_scalar(excess, bracket=(0.0, 1.0), xtol=1e-14).root)
