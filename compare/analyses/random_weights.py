"""What attention with random weights does to the mean cosine, block by block, against the law of 2604.01978."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from compare import theory
from compare.metrics.pairwise import mean_cosine
from probe.learned_operators import shortening
from sim.attention import Attention
from sim.sphere import normalise
from sim.trajectory import Trajectory


def common_noise(trajectory: Trajectory, fields: Sequence[Attention]) -> xr.Dataset:
    """What attention adds to the mean cosine R of all tokens in each block, and what the law of random weights says.

    The law (``theory.homogenised``): attention whose heads are drawn anew in each layer, at small beta and without a
    mask, brings tokens together as R' = (1 + (n-1) R)(1 - R)/n. A block in which attention adds a_i to x_i is worth
    tau = mean_i |a_i|^2/|x_i|^2 / m of that time, m = (1 + (n-1) R)/n the squared length of the tokens' mean: both are
    measured, and nothing is fitted.

    What one draw of V does to R is mostly noise, of either sign, and its mean is the law. Of a V the opposite is as
    likely, so each draw is read twice, x + a as it is and x - a as it might have been. Half the sum of what both add to
    R knows no chance of the first order: over blocks and foretold rise it is the ``gain``, 1 where the law holds. Half
    the difference is the ``drift``, on the same scale, which has mean 0 where V pulls to no side; V = I would show
    there. What attention has added in truth is the sum of the two.

    The law has no feed-forward parts: what they do stands in ``mean_cosine`` alone.

    Arguments
    ---------
    trajectory: of ``probe.extract(..., "layernorm", attention=True)``, of all tokens: attention reads special ones and
        duplicates too, so that none is left out.
    fields: ``probe.operators`` of the same weights.

    Returns
    -------
    An `xarray.Dataset`; ``block`` is 1 to L, ``depth`` 0 to L.

    - ``step`` (block): mean over tokens of |a|^2/|x|^2, a less the mean of its entries. ``tau`` (block), as above.
    - ``mean_cosine`` (depth): R in front of each block and at the end. ``law`` (depth): the law from depth 0 on, in
      the summed tau, as if there were nothing but attention.
    - ``attention_rise`` (block): what x + a adds to R; ``even_rise`` (block): half the sum of x + a and x - a;
      ``foretold_rise`` (block): what the law adds in tau to the R in front of the block.
    - ``gain``, ``drift``: sums over blocks of ``even_rise``, and of ``attention_rise`` less that, over that of
      ``foretold_rise``.
    - ``whole_gain``: change of ``mean_cosine`` from depth 0 to L over that of ``law``; 1 where feed-forward parts do
      nothing and the law holds.

    Raises ValueError where the trajectory has no attention at each depth that a field reads, or another frame.
    Cost: O(L heads n d (n + d_head)).
    """
    if trajectory.attention is None or len(trajectory.depth) != len(fields) + 1:
        raise ValueError(
            f"need attention and the {len(fields) + 1} states in front of and behind {len(fields)} blocks, got "
            f"{len(trajectory.depth)} depths: give extract(..., attention=True) and the operators of the same model"
        )
    n, points, lengths = trajectory.points.shape[1], trajectory.points[:-1], trajectory.norms[:-1, :, None]
    read = shortening(trajectory)[:-1, :, None] * points
    written = np.array([_written(*block) for block in zip(fields, trajectory.attention, read)]) / lengths
    cosine = mean_cosine(trajectory.points)
    start = cosine[:-1]
    step = np.sum(written**2, axis=2).mean(axis=1)
    tau = step * n / (1 + (n - 1) * start)
    law = np.asarray(theory.homogenised(np.concatenate([[0.0], np.cumsum(tau)]), n, cosine[0]))
    rise = mean_cosine(normalise(points + written)) - start
    opposite = mean_cosine(normalise(points - written)) - start
    foretold = theory.homogenised(tau, n, start) - start
    even = (rise + opposite) / 2
    return xr.Dataset(
        {
            "step": ("block", step),
            "tau": ("block", tau),
            "mean_cosine": ("depth", cosine),
            "law": ("depth", law),
            "attention_rise": ("block", rise),
            "even_rise": ("block", even),
            "foretold_rise": ("block", foretold),
            "gain": even.sum() / foretold.sum(),
            "drift": (rise - even).sum() / foretold.sum(),
            "whole_gain": (cosine[-1] - cosine[0]) / (law[-1] - law[0]),
        },
        coords={"depth": trajectory.depth, "block": trajectory.depth[1:]},
    )


def _written(
    field: Attention, rows: Float[np.ndarray, "head n n"], read: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n d"]:
    """What the attention of a block adds to each token, less the mean of its entries, by the model's own rows."""
    value, output = np.asarray(field.value), np.asarray(field.output)
    values = read @ value.swapaxes(1, 2)
    if field.value_bias is not None:
        values = values + np.asarray(field.value_bias)[:, None]
    added = np.sum(rows.astype(np.float64) @ values @ output.swapaxes(1, 2), axis=0)
    return added if field.output_bias is None else added + np.asarray(field.output_bias)
