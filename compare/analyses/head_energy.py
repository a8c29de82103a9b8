"""The interaction energy of each head with its own learned queries and keys, and that of all heads of a block."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.special import logsumexp

from compare.metrics.pairwise import kept
from probe.learned_operators import shortening
from sim.attention import Attention
from sim.trajectory import Trajectory

STEPS = ("attention", "block")
PLAIN = {"query", "key", "value", "output", "query_bias", "key_bias", "value_bias", "output_bias"}


def head_energy(
    trajectory: Trajectory, fields: Sequence[Attention], keep: Bool[np.ndarray, " token"] | None = None
) -> xr.Dataset:
    """How each head's energy, and their sum, change over the attention of a block and over the whole block.

    With M = Q^T K a head's own, E_h is the mean of e^(beta <x_i, M x_j>) over the pairs that the mask lets see each
    other, i = j included. The claim of 2605.04279: where every M is symmetric and every O V is M, tokens that follow
    x_i' = sum_h sum_j e^(beta <x_i, M_h x_j>) P_i M_h x_j have a sum of energies that never falls, as that is its
    gradient, while a single E_h may, since the other heads move its tokens too. Softmax divides each head's part by a
    sum of its own, and what it makes of several heads is the gradient of nothing: there the sum can fall as well
    (a test has such tokens). A causal mask is not in it either. Trained heads meet none of these conditions, and
    ``symmetric_share`` and ``alignment`` say how far they are from the first two.

    The biases of Q and K are left out, which are no part of M. A token keeps the length s at which the block reads it,
    and a block its M, over all three states, so that a change is one of directions alone. Energies span many orders of
    magnitude and hang on their largest pairs, so changes are those of ln E and are best counted by their sign; the sum
    is mostly its largest head (``leading_share``).

    Arguments
    ---------
    trajectory: of ``probe.extract(..., "layernorm", sublayers=True)``.
    fields: ``probe.operators`` of the same model.
    keep: tokens between which energies are taken; those that `compare.metrics.exclusions` keeps where None, as for H4.

    Returns
    -------
    An `xarray.Dataset`; ``depth`` is 1 to L, ``step`` is ``"attention"``, from the state that a block reads to that
    after its attention, or ``"block"``, to the next block.

    - ``change`` (depth, head, step): of ln E_h. ``sum_change`` (depth, step): of ln sum_h E_h.
    - ``leading_share`` (depth): of the largest E_h in the sum where the block starts, in [1/heads, 1].
    - ``symmetric_share`` (depth, head): squared norm of (M + M^T)/2 over that of M; 1 where symmetric, 1/2 where M
      knows nothing of its transpose. ``alignment``: cosine between O V and M; 1 where the theorem asks for it. Both on
      the subspace orthogonal to the all-ones vector.

    Raises ValueError for a trajectory without sublayers, another frame, fewer than 2 tokens to keep, or fields whose
    logits have more to them, such as positions. Cost: O(L heads (n^2 d_head + d d_head^2)).
    """
    if len(trajectory.depth) != 2 * len(fields) + 1:
        raise ValueError(
            f"need the states between the two parts of {len(fields)} blocks, got {len(trajectory.depth)} depths: give "
            "extract(..., sublayers=True) and the operators of the same model"
        )
    others = {name for field in fields for name in field.operators} - PLAIN
    if others:
        raise ValueError(
            f"E_h is of logits beta <x_i, M x_j>, got fields with {', '.join(sorted(others))} too: give a model without"
        )
    chosen = kept(trajectory, keep)
    lengths = shortening(trajectory)[:, chosen, None]
    points = trajectory.points[:, chosen]
    states = [
        np.stack([_log_energies(field, lengths[at] * points[state]) for state in (at, at + 1, at + 2)])
        for field, at in zip(fields, range(0, len(points) - 1, 2))
    ]
    logs = np.array(states)  # (depth, state, head)
    together = np.asarray(logsumexp(logs, axis=2))
    change = np.stack([logs[:, state] - logs[:, 0] for state in (1, 2)], axis=-1)
    sum_change = np.stack([together[:, state] - together[:, 0] for state in (1, 2)], axis=-1)
    conditions = np.array([_conditions(field) for field in fields])
    return xr.Dataset(
        {
            "change": (("depth", "head", "step"), change),
            "sum_change": (("depth", "step"), sum_change),
            "leading_share": ("depth", np.exp(logs[:, 0].max(axis=1) - together[:, 0])),
            "symmetric_share": (("depth", "head"), conditions[:, 0]),
            "alignment": (("depth", "head"), conditions[:, 1]),
        },
        coords={"depth": trajectory.depth[2::2], "step": list(STEPS)},
        attrs={"causal": int(bool(trajectory.provenance.get("causal", False)))},
    )


def _log_energies(field: Attention, read: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " head"]:
    """ln E_h of each head at what it reads."""
    query, key = (read @ np.asarray(part).swapaxes(1, 2) for part in (field.query, field.key))
    logits = float(field.beta) * query @ key.swapaxes(1, 2)
    n = len(read)
    seen = np.tri(n, dtype=bool) if field.causal else np.ones((n, n), bool)
    return np.asarray(logsumexp(logits[:, seen], axis=1)) - np.log(seen.sum())


def _conditions(field: Attention) -> Float[np.ndarray, "2 head"]:
    """Symmetric share of M = Q^T K, and cosine between O V and M, of each head; from products of the inner sizes."""
    query, key, value, output = (
        np.asarray(part, np.float64) for part in (field.query, field.key, field.value, field.output)
    )
    query, key, value = (part - part.mean(axis=2, keepdims=True) for part in (query, key, value))
    output = output - output.mean(axis=1, keepdims=True)
    across = key @ query.swapaxes(1, 2)
    size = np.sum((query @ query.swapaxes(1, 2)) * (key @ key.swapaxes(1, 2)), axis=(1, 2))
    symmetric = (1 + np.sum(across * across.swapaxes(1, 2), axis=(1, 2)) / size) / 2
    shared = np.sum((query @ output) * (key @ value.swapaxes(1, 2)), axis=(1, 2))
    written = np.sum((output.swapaxes(1, 2) @ output) * (value @ value.swapaxes(1, 2)), axis=(1, 2))
    return np.stack([symmetric, shared / np.sqrt(size * written)])
