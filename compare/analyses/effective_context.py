"""How many tokens each head attends to beside the one that asks, on the geometry of its own keys."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from compare import theory
from compare.metrics.pairwise import kept
from probe.learned_operators import shortening
from sim.attention import Attention
from sim.trajectory import Trajectory


def effective_context(
    trajectory: Trajectory,
    heads: xr.Dataset,
    fields: Sequence[Attention],
    keep: Bool[np.ndarray, " token"] | None = None,
) -> xr.Dataset:
    """N_eff of each head (``theory.effective_tokens``), and beside it the weight that the head really gives to itself.

    The theory has n uniform tokens on S^(d-1) and logits beta <x_i, x_j>: all of them together weigh N_eff times what
    a token weighs for itself, whose own weight is about 1 / (1 + N_eff). A head is put on that scale by three measured
    numbers: the tokens that its queries see, ln n = ``log_context``; b = beta_eff (1 - rho), as the cosines of tokens
    with mean cosine rho reach only over 1 - rho; and d, the participation ratio of the covariance of its keys, that of
    uniform points on S^(d-1) being d. For large d N_eff is n e^-b, and N_eff = 1 is P11's critical scale b = ln n; in
    few dimensions neighbours are as close as the token itself, and N_eff is larger.

    It is a statement on heads that look for their like, where ``self_weight`` is near ``foretold_self_weight``. Where
    it is far, the head looks at places, at a sink or at tokens unlike the one that asks: then N_eff is what its cosines
    alone would do, or, where beta_eff is matched to the entropy, how sharp it is; in neither case the number of tokens
    that it attends to. A negative beta_eff counts as 0, N_eff as all tokens.

    Arguments
    ---------
    trajectory: with attention, in the frame ``"layernorm"``, with or without sublayers.
    heads: `compare.analyses.head_context.long_context` of it.
    fields: ``probe.operators`` of the same model.
    keep: tokens whose keys and rows count; those that `compare.metrics.exclusions` keeps where None.

    Returns an `xarray.Dataset` over (depth, head) of `heads`: ``key_dimension``, at least 1 and at most d_head;
    ``effective_tokens``, N_eff in [0, n]; ``self_weight``, the mean of A_ii, and ``foretold_self_weight``. Below two
    dimensions d counts as 2, and ln N_eff is taken linearly between whole ones.

    Raises ValueError where `fields` are not those of the depths with attention. Cost: O(L heads n d d_head).
    """
    places = np.flatnonzero(np.isin(trajectory.depth, heads["depth"]))
    if trajectory.attention is None or len(places) != len(fields):
        raise ValueError(
            f"need attention at the {len(fields)} depths that the operators read, got {len(places)}: give the "
            "trajectory and the operators of one model"
        )
    chosen = kept(trajectory, keep)
    read = (shortening(trajectory)[..., None] * trajectory.points)[places][:, chosen]
    dimension = np.array([_key_dimension(field, here) for field, here in zip(fields, read)])
    gap = 1 - heads["input_cosine"].values[:, None]
    beta = np.maximum(heads["beta"].values, 0)
    number = _effective_tokens(float(np.exp(heads["log_context"])), gap * beta, dimension)
    own = np.einsum("lhii->lhi", trajectory.attention[places])[..., chosen].mean(axis=2, dtype=np.float64)
    of_heads = ("depth", "head")
    return xr.Dataset(
        {
            "key_dimension": (of_heads, dimension),
            "effective_tokens": (of_heads, number),
            "self_weight": (of_heads, own),
            "foretold_self_weight": (of_heads, 1 / (1 + number)),
        },
        coords={"depth": heads["depth"]},
    )


def _key_dimension(field: Attention, read: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " head"]:
    """(tr C)^2 / tr C^2 of the covariance C of each head's keys, 1 where they are all alike.

    A bias, the same for all keys, has no part in it.
    """
    keys = read @ np.asarray(field.key).swapaxes(1, 2)
    keys = keys - keys.mean(axis=1, keepdims=True)
    covariance = keys.swapaxes(1, 2) @ keys
    whole, squares = np.trace(covariance, axis1=1, axis2=2) ** 2, np.sum(covariance**2, axis=(1, 2))
    return np.divide(whole, squares, out=np.ones_like(whole), where=squares > 0)


def _effective_tokens(
    n: float, beta: Float[np.ndarray, "depth head"], dimension: Float[np.ndarray, "depth head"]
) -> Float[np.ndarray, "depth head"]:
    """N_eff between whole dimensions; 0 where beta is infinite."""
    finite = np.isfinite(beta)
    sharpness, whole = np.where(finite, beta, 0.0), np.maximum(dimension, 2)
    below = np.floor(whole).astype(int)
    logs = np.empty((2, *beta.shape))
    for d in np.unique([below, below + 1]):
        for place in (0, 1):
            here = below + place == d
            if here.any():
                logs[place][here] = np.log(theory.effective_tokens(max(n, 2.0), sharpness[here], int(d)))
    between = logs[0] + (whole - below) * (logs[1] - logs[0])
    return np.where(finite, np.exp(between), 0.0)
