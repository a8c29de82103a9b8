"""The idealised counterpart of a model: the time that its blocks are worth, and blocks with Q = K = V = I."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from compare import theory
from sim import Attention, Trajectory
from sim.sphere import normalise


def effective_time(trajectory: Trajectory, beta: float) -> Float[np.ndarray, " depth"]:
    """The time t of SA that the idealised block (Q = K = V = I) would have spent to reach each depth.

    A block is a finite step, not a flow. One attention step turns token x_i by the angle
    atan(|P A_i| / (r_i + <x_i, A_i>)), A_i = sum_j softmax_j(beta <x_i, x_j>) x_j, so it is worth
    dt_i = 1 / (r_i + <x_i, A_i>) units of the flow x' = P_x A. Post-LN blocks (BERT, ALBERT) act on unit vectors,
    r = 1; Pre-LN blocks (GPT-2) on a residual of length r = norm / sqrt(dim), since their attention reads
    vectors of length sqrt(dim). Near consensus <x, A> = 1 and a Post-LN layer is half a unit of time.

    This is the clock of the *idealised* block on the model's own tokens: learned Q, K, V, the feed-forward part and
    the gains of the norms are left out, so that what they do shows as distance from the idealised run.

    Arguments
    ---------
    trajectory: on the axis ``"layer"``, with ``provenance["scheme"]`` ``"post"`` or ``"pre"``, and ``"causal"`` where
        a token attends to earlier ones only; on the axis ``"time"`` its own depth is returned.
    beta: inverse temperature, >= 0.

    Returns (depth,) increasing from 0, the mean over tokens of the sum of dt_i. Raises ValueError where the scheme
    is unknown. Source: the schemes' speeds are those of 2510.22026; the finite-step angle is elementary.
    """
    if trajectory.axis == "time":
        return trajectory.depth - trajectory.depth[0]
    steps = []
    for points, norms in zip(trajectory.points[:-1], trajectory.norms[:-1]):
        along = np.sum(points * _output(trajectory, points, beta), axis=-1)
        steps.append(np.mean(theory.layer_time(along, radius=_radius(trajectory, norms))))
    return np.concatenate([[0.0], np.cumsum(steps)])


def idealised_blocks(trajectory: Trajectory, beta: float) -> Trajectory:
    """The first layer of a model, sent through as many idealised blocks as the model has blocks of its own.

    Each block is x <- x + A(x / |x|) with Q = K = V = I at inverse temperature beta, under the model's own mask;
    Post-LN divides by the length after each block, Pre-LN keeps it. This is what the theory says such a network does,
    finite steps included, so its distance from the model is due to learned weights and feed-forward parts.

    Arguments and errors as in `effective_time`, for the axis ``"layer"``.
    """
    points, norms = [trajectory.points[0]], [_radius(trajectory, trajectory.norms[0])]
    for _ in trajectory.points[1:]:
        moved = norms[-1][:, None] * points[-1] + _output(trajectory, points[-1], beta)
        lengths = np.linalg.norm(moved, axis=-1)
        points.append(normalise(moved))
        norms.append(lengths if trajectory.provenance["scheme"] == "pre" else np.ones_like(lengths))
    scale = np.sqrt(trajectory.points.shape[-1]) if trajectory.provenance["scheme"] == "pre" else 1.0
    return replace(trajectory, points=np.stack(points), norms=scale * np.stack(norms), attention=None)


def whole_depths(trajectory: Trajectory) -> Trajectory:
    """The states between blocks alone, without attention, of a model read with its sublayers.

    Raises ValueError for the axis ``"time"`` or fewer than 2 whole depths.
    """
    whole = trajectory.depth == np.floor(trajectory.depth)
    if trajectory.axis != "layer" or whole.sum() < 2:
        raise ValueError(
            f'need a model on the axis "layer" with at least 2 whole depths, got {whole.sum()} on '
            f"{trajectory.axis!r}: give what extract made"
        )
    return replace(
        trajectory,
        points=trajectory.points[whole],
        norms=trajectory.norms[whole],
        depth=trajectory.depth[whole],
        attention=None,
    )


def _output(
    trajectory: Trajectory, points: Float[np.ndarray, "token d"], beta: float
) -> Float[np.ndarray, "token d"]:
    """A_i, the output of idealised attention under the mask of the trajectory."""
    field = Attention(float(beta), causal=bool(trajectory.provenance.get("causal", False)))
    return np.asarray(field.weights(points, trajectory.masses))[0] @ points


def _radius(trajectory: Trajectory, norms: Float[np.ndarray, " token"]) -> Float[np.ndarray, " token"]:
    """Lengths of the residual in units of the vectors that attention reads."""
    scheme = trajectory.provenance.get("scheme")
    if scheme not in ("post", "pre"):
        raise ValueError(
            f'a layer axis needs provenance["scheme"] "post" or "pre", got {scheme!r}: say where the norm stands'
        )
    return np.ones_like(norms) if scheme == "post" else norms / np.sqrt(trajectory.points.shape[-1])
