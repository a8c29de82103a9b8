"""Theory and model on one time axis: how long the idealised dynamics would run in each block of a model."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from compare import theory
from sim import Attention, Trajectory


def effective_time(trajectory: Trajectory, beta: float) -> Float[np.ndarray, " depth"]:
    """The time t of SA that the idealised block (Q = K = V = I) would have spent to reach each depth.

    A block is a finite step, not a flow. One attention step turns token x_i by the angle
    atan(|P A_i| / (r_i + <x_i, A_i>)), A_i = sum_j softmax_j(beta <x_i, x_j>) x_j, so it is worth
    dt_i = 1 / (r_i + <x_i, A_i>) units of the flow x' = P_x A. Post-LN blocks (BERT, ALBERT) act on unit vectors,
    r = 1; Pre-LN blocks (GPT-2) on a residual of length r = norm / sqrt(dim), since their attention reads
    vectors of length sqrt(dim). Near consensus <x, A> = 1 and a Post-LN layer is half a unit of time.

    This is the clock of the *idealised* block on the model's own tokens: learned Q, K, V, the feed-forward part and
    the gains of the norms are left out, so that what they do shows as distance from the theory's curve.

    Arguments
    ---------
    trajectory: on the axis ``"layer"``, with ``provenance["scheme"]`` ``"post"`` or ``"pre"``; on the axis ``"time"``
        its own depth is returned.
    beta: inverse temperature, >= 0.

    Returns (depth,) increasing from 0, the mean over tokens of the sum of dt_i. Raises ValueError where the scheme
    is unknown. Source: the schemes' speeds are those of 2510.22026; the finite-step angle is elementary.
    """
    if trajectory.axis == "time":
        return trajectory.depth - trajectory.depth[0]
    scheme = trajectory.provenance.get("scheme")
    if scheme not in ("post", "pre"):
        raise ValueError(
            f'a layer axis needs provenance["scheme"] "post" or "pre", got {scheme!r}: say where the norm stands'
        )
    field = Attention(float(beta), causal=bool(trajectory.provenance.get("causal", False)))
    steps = []
    for points, norms in zip(trajectory.points[:-1], trajectory.norms[:-1]):
        weights = np.asarray(field.weights(points, trajectory.masses))[0]
        along = np.einsum("id,ij,jd->i", points, weights, points, optimize=True)
        radius = 1.0 if scheme == "post" else norms / np.sqrt(points.shape[-1])
        steps.append(np.mean(theory.layer_time(along, radius=radius)))
    return np.concatenate([[0.0], np.cumsum(steps)])


def overlay(trajectory: Trajectory, betas: Float[np.ndarray, " beta"]) -> xr.Dataset:
    """The mean cosine of a trajectory over effective time beside the theory's curve from the same start.

    The curve is gamma_beta(t), the common cosine of n equiangular tokens under SA (2312.10794, section 6), started at
    the trajectory's own mean cosine. Tokens of a model are not equiangular: the curve is a yardstick for the speed,
    not a fit, and nothing in it is tuned.

    Returns a Dataset with dims depth and beta: `effective_time` (beta, depth), `mean_cosine` (depth) over pairs i < j,
    `theory_cosine` (beta, depth), NaN where the start has no curve (fewer than 2 tokens, or consensus already).
    """
    betas = np.asarray(betas, np.float64)
    tokens = trajectory.points.shape[1]
    pairs = np.triu_indices(tokens, 1)
    cosine = np.array([(points @ points.T)[pairs].mean() for points in trajectory.points])
    times = np.stack([effective_time(trajectory, beta) for beta in betas])
    curves = np.full_like(times, np.nan)
    if tokens > 1 and -1 / (tokens - 1) < cosine[0] < 1:
        for index, beta in enumerate(betas):
            curves[index] = theory.gamma(times[index], n=tokens, beta=float(beta), start=float(cosine[0]))
    return xr.Dataset(
        {
            "effective_time": (("beta", "depth"), times, {"units": "time t of SA"}),
            "mean_cosine": ("depth", cosine),
            "theory_cosine": (("beta", "depth"), curves),
        },
        coords={"beta": betas, "depth": trajectory.depth},
    )
