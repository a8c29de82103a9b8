"""Group C of the post: the attention matrix as a graph, and whether it falls apart into clusters."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from compare.metrics.published.spectra import laplacian
from compare.metrics.variable import Variable

FLOOR = 1e-12
MOST_ITERATIONS = 100
CONVERGED = 1e-6
ACTIVE_RANK = 10
GLANCES, MOST_POWERS = 24, 16
MARGIN = 1e-9  # far beyond what rounding does to a factor or a power
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

    Every round leaves diag(u) A diag(v), A the clipped attention, so only u and v are kept: two products with A a
    round. Sums of positive numbers round by 1e-15 and a round does not amplify relative errors (it contracts Hilbert's
    metric, Birkhoff 1957), so entries differ from those of normalised matrices by 1e-12 at most.
    Cost: O(rounds head token^2).
    """
    found = [_balanced(weights) for weights in np.clip(attention, FLOOR, None)]
    return np.stack([matrix for matrix, _ in found]), np.array([rounds for _, rounds in found])


def _balanced(weights: Float[np.ndarray, "token token"]) -> tuple[Float[np.ndarray, "token token"], int]:
    rows, columns = np.ones((2, len(weights)))
    moving, rounds = (0, 0), 0
    while rounds < MOST_ITERATIONS:
        rounds, before = rounds + 1, (rows, columns)
        rows = 1 / (weights @ columns)
        columns = 1 / (rows @ weights)
        # An entry that still moves decides; all of them are looked at where the last such one stands still.
        if _change(weights[moving], before, (rows, columns), *moving) < CONVERGED:
            changes = _change(weights, before, (rows, columns), np.s_[:, None], np.s_[None, :])
            moving = np.unravel_index(np.argmax(changes), changes.shape)
            if changes[moving] < CONVERGED:
                break
    return rows[:, None] * weights * columns, rounds


def _change(weights, before, after, row, column):
    """How far entries of diag(u) A diag(v) moved in a round."""
    return np.abs(weights * (after[0][row] * after[1][column] - before[0][row] * before[1][column]))


def eigenvalues_above_half(balanced: Float[np.ndarray, "token token"]) -> int:
    """Number of eigenvalues of a matrix, whose columns sum to 1, with real part > 0.5 (post, Group C2).

    They are computed only where no bound tells their number:

    - Real parts are at least the least eigenvalue of (P + P^T) / 2 (Bendixson): where that is above 0.5, all count.
    - 1 is an eigenvalue, with the left eigenvector of ones. B = P - r 1^T, r the mean of the columns, has 0 in its
      place and the others of P (Wielandt), and all eigenvalues of B are at most |B^k|_F^(1/k) in modulus: where that is
      below 0.5 for k = 1, 2, 4, 8 or 16, there is no other one.
    """
    if _all_above_half(balanced):
        return len(balanced)
    power, exponent = balanced - balanced.mean(axis=1, keepdims=True), 1
    if _growth(power) < 0.5:
        while exponent <= MOST_POWERS:
            if np.linalg.norm(power) ** (1 / exponent) < 0.5 - MARGIN:
                return 1
            power, exponent = power @ power, 2 * exponent
    return int(np.sum(np.linalg.eigvals(balanced).real > 0.5))


def _all_above_half(matrix: Float[np.ndarray, "token token"]) -> bool:
    """Whether the symmetric part has no eigenvalue up to 0.5: less 0.5, it has a Cholesky factor then."""
    if matrix.diagonal().min() <= 0.5:
        return False
    try:
        factor = np.linalg.cholesky((matrix + matrix.T) / 2 - (0.5 + MARGIN) * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(factor).all())  # LAPACK goes on where a number is missing


def _growth(matrix: Float[np.ndarray, "token token"]) -> float:
    """A guess at the largest modulus of an eigenvalue, by power iteration: whether powers are worth their cost."""
    vector, lengths = np.cos(np.arange(len(matrix))), []
    for _ in range(GLANCES):
        vector = matrix @ vector
        lengths.append(np.linalg.norm(vector))
        vector /= max(lengths[-1], FLOOR)
    return float(np.exp(np.mean(np.log(np.maximum(lengths[GLANCES // 2 :], FLOOR)))))


def fiedler_value(weights: Float[np.ndarray, "head token token"]) -> Float[np.ndarray, " head"]:
    """Second eigenvalue of the normalised Laplacian of (W + W^T) / 2; NaN for a single token (post, Group C2)."""
    if weights.shape[-1] < 2:
        return np.full(len(weights), np.nan)
    return np.linalg.eigvalsh(laplacian((weights + np.swapaxes(weights, 1, 2)) / 2))[:, 1]


def attention_clusters(
    attention: Shaped[np.ndarray, "depth head token token"],
) -> dict[str, np.ndarray]:
    """Groups C1 and C2 for every depth and head. Returns (depth, head) arrays of `VARIABLES`, NaN without attention.

    ``attention[l]`` is computed from the points of depth l. Cost: per head, 100 rounds of Sinkhorn, and up
    to one symmetric and one general eigenvalue problem, O(token^3).
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
        result["sinkhorn_clusters"][depth, present] = [eigenvalues_above_half(head) for head in balanced]
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
