"""Group C of the post: the attention matrix as a graph, and whether it falls apart into clusters."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from compare.metrics.published.spectra import laplacian
from compare.metrics.variable import Variable

FLOOR = 1e-12
MOST_ITERATIONS = 100
CONVERGED = 1e-6
ACTIVE_RANK = 10
CLUSTER_BELOW, MIXING_ABOVE = 0.3, 0.7

VARIABLES = {
    "attention_entropy": Variable(
        ("depth", "head"),
        "attention entropy",
        "nat",
        "post, Group C1",
        "mean over rows i of -sum_j a_ij ln(a_ij + 1e-12); not divided by the row's support, so causal row i, "
        "counted from 0, is bounded by ln(i + 1); NaN where there is no attention",
    ),
    "sinkhorn_fiedler": Variable(
        ("depth", "head"),
        "Sinkhorn-Fiedler value",
        "1",
        "post, Group C2",
        "second eigenvalue of the normalised Laplacian of (P + P^T) / 2, diagonal ignored, in [0, n / (n - 1)], "
        "where P is attention clipped at 1e-12 and normalised by rows then columns up to 100 times, or until no "
        "entry moves by 1e-6 or more; NaN where there is no attention and for a single token",
    ),
    "sinkhorn_iterations": Variable(
        ("depth", "head"),
        "Sinkhorn iterations",
        "1",
        "post, Group C2",
        "rounds of row and column normalisation; 100 as a rule means not converged, which causal attention never is; "
        "NaN where there is no attention",
    ),
    "sinkhorn_clusters": Variable(
        ("depth", "head"),
        "clusters of the Sinkhorn matrix",
        "1",
        "post, Group C2",
        "number of eigenvalues of P with real part > 0.5; NaN where there is no attention",
    ),
    "row_column_balance": Variable(
        ("depth", "head"),
        "row-column balance",
        "1",
        "post, Group C2",
        "population standard deviation of the column sums of the attention matrix; 0 where it is doubly stochastic; "
        "NaN where there is no attention",
    ),
    "head_fiedler": Variable(
        ("head",),
        "mean Sinkhorn-Fiedler value of a head index",
        "1",
        "post, Group C3",
        "mean of sinkhorn_fiedler over depths with effective_rank >= 10, over all depths where none has; heads of one "
        "index at different depths are unrelated",
    ),
    "head_class": Variable(
        ("head",),
        "class of a head index",
        "1",
        "post, Group C3",
        "CLUSTER where head_fiedler < 0.3, MIXING where > 0.7, else MIXED; empty where it is NaN",
    ),
}


def entropy(attention: Float[np.ndarray, "*batch query key"]) -> Float[np.ndarray, "*batch"]:
    """Mean over rows of -sum_j a_ij ln(a_ij + 1e-12), in nats (post, Group C1)."""
    return -np.sum(attention * np.log(attention + FLOOR), axis=-1).mean(axis=-1)


def sinkhorn(
    attention: Float[np.ndarray, "head token token"],
) -> tuple[Float[np.ndarray, "head token token"], Int[np.ndarray, " head"]]:
    """Rows, then columns, normalised in turn until no entry of a head moves by 1e-6, at most 100 times.

    Each head stops on its own. Returns the matrices, whose columns sum to 1, and the rounds taken. For causal attention
    the true limit is the identity, which 100 rounds do not reach. Source: post, Group C2.
    Cost: O(rounds head token^2).
    """
    result = np.clip(attention, FLOOR, None)
    rounds = np.zeros(len(result), int)
    moving = np.arange(len(result))
    for _ in range(MOST_ITERATIONS):
        before = result[moving]
        after = before / before.sum(axis=2, keepdims=True)
        after /= after.sum(axis=1, keepdims=True)
        result[moving] = after
        rounds[moving] += 1
        moving = moving[np.abs(after - before).max(axis=(1, 2)) >= CONVERGED]
        if not len(moving):
            break
    return result, rounds


def fiedler_value(weights: Float[np.ndarray, "head token token"]) -> Float[np.ndarray, " head"]:
    """Second eigenvalue of the normalised Laplacian of (W + W^T) / 2; NaN for a single token (post, Group C2)."""
    if weights.shape[-1] < 2:
        return np.full(len(weights), np.nan)
    return np.linalg.eigvalsh(laplacian((weights + np.swapaxes(weights, 1, 2)) / 2))[:, 1]


def attention_clusters(
    attention: Shaped[np.ndarray, "depth head token token"],
) -> dict[str, np.ndarray]:
    """Groups C1 and C2 for every depth and head. Returns (depth, head) arrays of `VARIABLES`, NaN without attention.

    ``attention[l]`` is computed from the points of depth l. Cost: per head, 100 rounds of Sinkhorn and one general
    eigenvalue problem, O(token^3).
    """
    names = (
        "attention_entropy",
        "sinkhorn_fiedler",
        "sinkhorn_iterations",
        "sinkhorn_clusters",
        "row_column_balance",
    )
    result = {name: np.full(attention.shape[:2], np.nan) for name in names}
    for depth, layer in enumerate(attention):
        present = np.isfinite(layer).all(axis=(1, 2))
        if not present.any():
            continue
        heads = layer[present].astype(np.float64)
        balanced, rounds = sinkhorn(heads)
        result["attention_entropy"][depth, present] = entropy(heads)
        result["sinkhorn_fiedler"][depth, present] = fiedler_value(balanced)
        result["sinkhorn_iterations"][depth, present] = rounds
        result["sinkhorn_clusters"][depth, present] = np.sum(np.linalg.eigvals(balanced).real > 0.5, axis=1)
        result["row_column_balance"][depth, present] = heads.sum(axis=1).std(axis=1)
    return result


def head_classes(
    fiedler: Float[np.ndarray, "depth head"], rank: Float[np.ndarray, " depth"]
) -> dict[str, np.ndarray]:
    """Mean Sinkhorn-Fiedler value and class of each head index over the depths with effective rank >= 10.

    Source: post, Group C3. Returns `head_fiedler` and `head_class`, (head,).
    """
    present = np.isfinite(fiedler).any(axis=1)
    active = present & (rank >= ACTIVE_RANK)
    used = fiedler[active if active.any() else present]
    mean = used.mean(axis=0) if len(used) else np.full(fiedler.shape[1], np.nan)
    classes = np.select(
        [np.isnan(mean), mean < CLUSTER_BELOW, mean > MIXING_ABOVE], ["", "CLUSTER", "MIXING"], "MIXED"
    )
    return {"head_fiedler": mean, "head_class": classes}
