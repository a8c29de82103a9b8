"""Least squares beside constants: one for each row of attention, and one for each distance between two places."""

import numpy as np
from jaxtyping import Bool, Float

Values = Float[np.ndarray, " pair"]


class Effects:
    """Some pairs (i, j) of tokens, with a constant c_i for each row and a constant o_(i - j) for each distance.

    Takes off values over pairs what such constants explain. Pairs are those of the mask, row by row.
    Cost: O(n^3) once, for the distances; O(n^2) a call.
    """

    def __init__(self, pairs: Bool[np.ndarray, "token token"]) -> None:
        tokens = len(pairs)
        self._pairs = pairs
        self._row, key = np.nonzero(pairs)
        _, self._distance = np.unique(self._row - key, return_inverse=True)
        self._of_row = np.maximum(np.bincount(self._row, minlength=tokens), 1)
        counts = np.bincount(self._distance).astype(float)
        shared = np.zeros((tokens, len(counts)))
        shared[self._row, self._distance] = 1
        left = np.diag(counts) - shared.T @ (shared / self._of_row[:, None])
        self._inverse = np.linalg.pinv(left, rcond=1e-10, hermitian=True)
        self.free = int(np.linalg.matrix_rank(left, tol=1e-10 * counts.max(initial=1), hermitian=True))
        """How many constants of distances there are beyond what those of rows explain already."""

    def without_rows(self, matrix: Float[np.ndarray, "token token"]) -> Values:
        """Values of the pairs, less their mean in each row."""
        values = matrix[self._pairs]
        means = np.bincount(self._row, values, minlength=len(self._of_row)) / self._of_row
        return values - means[self._row]

    def without_places(self, values: Values) -> Values:
        """What `without_rows` has left, less what distances explain beside rows."""
        if not len(values):
            return values
        constants = self._inverse @ np.bincount(self._distance, values)
        explained = constants[self._distance]
        means = np.bincount(self._row, explained, minlength=len(self._of_row)) / self._of_row
        return values - explained + means[self._row]
