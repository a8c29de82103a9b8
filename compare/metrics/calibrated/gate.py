"""Gate G: the information in the order of the depths."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compare.metrics.variable import Variable

PERMUTATIONS = 199

VARIABLES = {
    "gate_z": Variable(
        (),
        "smoothness in depth",
        "1",
        "calibrated, gate G",
        "mean over 199 random orders of depth, less the value at the true one, over the standard deviation, of the sum "
        "over consecutive depths of the mean squared change of the cosines; NaN where nothing moves or depths < 3",
    ),
    "gate_p": Variable(
        (),
        "p of the smoothness",
        "1",
        "calibrated, gate G",
        "rank of the true order among those of gate_z; NaN there",
    ),
}


class Gate(NamedTuple):
    """gate_z: standardised, large where the trajectory is smooth in depth. gate_p: of as smooth an order by chance."""

    gate_z: float
    gate_p: float


def gate(points: Float[np.ndarray, "depth token dim"], seed: int = 0) -> Gate:
    """Test whether consecutive depths are closer to each other than depths in random order.

    M_lm is the mean squared difference between the cosines of all pairs i < j at depths l and m, and S = sum_l
    M_l,l+1. With 199 random orders of depth, z = (mean S - S) / sd S, and p = (1 + number of orders with S no larger)
    / 200. Depths that are exchangeable, such as fresh clouds or static points with fresh noise, have uniform p, and z
    of mean 0 and variance 1, so that z of several trajectories add up (Stouffer).

    Arguments: points (depth, token, dim) unit rows; seed, of the orders.
    Returns NaN for fewer than 3 depths or 2 tokens, and where nothing moves. Few orders exist below 6 depths.
    Cost: O(depth token^2 dim + depth^2 token^2) time, 8 depth token^2 / 2 bytes.
    """
    depths, tokens, _ = points.shape
    if depths < 3 or tokens < 2:
        return Gate(np.nan, np.nan)
    above = np.triu_indices(tokens, k=1)
    cosines = np.stack([(here @ here.T)[above] for here in points])
    cosines -= cosines.mean(axis=0)
    inner = cosines @ cosines.T
    squares = np.diag(inner)
    apart = (squares[:, None] + squares - 2 * inner) / len(above[0])
    random = np.random.default_rng((seed, 2))
    orders = random.permuted(np.tile(np.arange(depths), (PERMUTATIONS, 1)), axis=1)
    shuffled = apart[orders[:, :-1], orders[:, 1:]].sum(axis=1)
    own = np.trace(apart, offset=1)
    spread = shuffled.std()
    if spread <= 1e-12 * max(shuffled.mean(), 1e-12):
        return Gate(np.nan, np.nan)
    rank = np.sum(shuffled <= own * (1 + 1e-12))
    return Gate(float((shuffled.mean() - own) / spread), float((1 + rank) / (1 + PERMUTATIONS)))
