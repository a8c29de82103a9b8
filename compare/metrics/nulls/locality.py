"""The mask-matched null of attention: what mask, distance and popularity of each key give on their own."""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.lib.stride_tricks import sliding_window_view

STEPS = 10


def mask_matched(
    attention: Float[np.ndarray, "head token token"],
    pairs: Bool[np.ndarray, "token token"],
    *,
    local: bool = True,
) -> Float[np.ndarray, "head token token"]:
    """Attention with the row, column and distance sums of the given one, but no other preference for a pair.

        E_ij = r_i c_j f_(j - i) on `pairs`, 0 elsewhere,

    the matrix of largest entropy with these sums: each query gives as much as it did, each key gets as much, each
    signed distance in the text carries as much. Attention that depends on position and on the key alone is its own
    null. Fitted by ten rounds of iterative proportional fitting, which leaves the row sums exact.

    Arguments
    ---------
    attention: (head, token, token) weights at least 0. pairs: the (query, key) pairs that count: allowed by the mask,
        both kept, not the token itself.
    local: False leaves the distances out, where tokens have no positions, as in a simulation.

    Returns (head, token, token). Raises ValueError for pairs that are not those of some queries with some keys at some
    distances. Cost: O(head token^2); of all that is fitted there are O(token) numbers, and their sums are correlations.
    """
    queries, keys, allowed = pairs.sum(axis=1) > 0, pairs.sum(axis=0) > 0, _by_distance(pairs) > 0
    if not np.array_equal(pairs, queries[:, None] & keys & _at_distance(allowed)):
        raise ValueError(
            "pairs must be those of some queries with some keys at some distances: leave whole tokens out"
        )
    return np.stack([_fitted(each, queries, keys, allowed, local) for each in np.where(pairs, attention, 0)])


def _fitted(
    weights: Float[np.ndarray, "token token"],
    queries: Bool[np.ndarray, " token"],
    keys: Bool[np.ndarray, " token"],
    allowed: Bool[np.ndarray, " distance"],
    local: bool,
) -> Float[np.ndarray, "token token"]:
    rows, columns, distances = weights.sum(axis=1), weights.sum(axis=0), _by_distance(weights)
    row, column, distance = (each.astype(np.float64) for each in (queries, keys, allowed))
    for _ in range(STEPS):
        if local:
            distance = _quotient(distances, np.correlate(column, row, "full")) * allowed
        column = _quotient(columns, np.convolve(distance, row, "valid"))
        row = _quotient(rows, np.correlate(distance, column, "valid")[::-1])
    return row[:, None] * column * _at_distance(distance)


def _by_distance(matrix: Shaped[np.ndarray, "token token"]) -> Float[np.ndarray, " distance"]:
    """Sums over the pairs with j - i = 1 - token, ..., token - 1: rows shifted until diagonals stand in columns."""
    tokens = len(matrix)
    padded = np.zeros((tokens, 2 * tokens))
    padded[:, :tokens] = matrix[::-1]
    return padded.ravel()[:-tokens].reshape(tokens, -1).sum(axis=0)


def _at_distance(values: Shaped[np.ndarray, " distance"]) -> Shaped[np.ndarray, "token token"]:
    """The matrix that has at (i, j) the value of the distance j - i."""
    return sliding_window_view(values, (len(values) + 1) // 2)[::-1]


def _quotient(wanted: np.ndarray, have: np.ndarray) -> np.ndarray:
    return np.divide(wanted, have, out=np.zeros_like(have), where=have > 0)
