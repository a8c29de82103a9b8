"""The mask-matched null of attention: what mask, distance and popularity of each key give on their own."""

import numpy as np
from jaxtyping import Bool, Float
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

    Returns (head, token, token). Cost: O(head token^2) a round.
    """
    weights = np.where(pairs, attention, 0)
    fitted = np.broadcast_to(pairs, weights.shape).astype(weights.dtype)
    rows, columns = weights.sum(axis=2), weights.sum(axis=1)
    distances = _by_distance(weights)
    for _ in range(STEPS):
        if local:
            factor = _quotient(distances, _by_distance(fitted))
            fitted *= sliding_window_view(factor, fitted.shape[2], axis=1)[:, ::-1]
        fitted *= _quotient(columns, fitted.sum(axis=1))[:, None, :]
        fitted *= _quotient(rows, fitted.sum(axis=2))[:, :, None]
    return fitted


def _by_distance(matrix: Float[np.ndarray, "head token token"]) -> Float[np.ndarray, "head distance"]:
    """Sums over the pairs with j - i = 1 - token, ..., token - 1: rows shifted until diagonals stand in columns."""
    heads, tokens, _ = matrix.shape
    padded = np.zeros((heads, tokens, 2 * tokens), matrix.dtype)
    padded[:, :, :tokens] = matrix[:, ::-1]
    return padded.reshape(heads, -1)[:, :-tokens].reshape(heads, tokens, -1).sum(axis=1)


def _quotient(wanted: np.ndarray, have: np.ndarray) -> np.ndarray:
    return np.divide(wanted, have, out=np.zeros_like(have), where=have > 0)
