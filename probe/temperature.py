"""The inverse temperature at which a trained head attends, as if its queries and keys were the tokens themselves."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq

from sim.trajectory import Trajectory

HOTTEST, COLDEST = 1e-6, 1e6
ROUNDING = 1e-6
NAMES = ("beta_regression", "r_squared", "beta_entropy", "pairs")


def temperature(trajectory: Trajectory, keep: Bool[np.ndarray, " token"] | None = None) -> xr.Dataset:
    """beta_eff of each head in two ways, from the cosines <theta_i, theta_j> and the weights A_ij that it gives them.

    - Regression: log A_ij = beta_eff <theta_i, theta_j> + c_i, least squares over the pairs i != j of kept tokens,
      with one constant c_i for each row. That constant takes up the row's normaliser, and with it everything that
      softmax does not see, so this is the regression of the logits, whatever is added to a row of them. Its R^2 is
      the share of the variance within rows that the cosines explain; where it is small, beta_eff says little.
    - Entropy: the beta >= 0 at which the rows softmax_j(beta <theta_i, theta_j>) have the head's mean entropy. It
      says how sharp the head is, not what it looks at, and has no sign.

    Arguments
    ---------
    trajectory: of a model, with attention; in the frame ``"layernorm"``, the sphere on which the model attends.
    keep: the tokens that count, as queries and, in the regression, as keys; all but special ones and sinks where
        None. Entropies are of whole rows. Of a causal model a token's keys are those up to itself.

    Returns
    -------
    An `xarray.Dataset` over (depth, head), the depths being those with attention: ``beta_regression``, any sign, NaN
    where all cosines in a row are equal; ``r_squared`` in [0, 1], NaN there and where the log weights of each row
    are equal to 1e-6, the rounding of single precision; ``beta_entropy``, 0 below 1e-6 and infinite above 1e6;
    ``pairs``, the number of pairs in the regression. Weights of 0, which single precision reads below 1e-45, are not
    among them.

    Raises ValueError where there is no attention, or fewer than two tokens are kept.
    Cost: O(n^2) time for each of about 10 trials of beta, a head; 5 n^2 numbers of memory.

    Source: 2510.05554 compares beta (1 - cos) with log n; the recipe is ours.
    """
    attention = trajectory.attention
    if attention is None:
        raise ValueError("the trajectory has no attention: make it with attention=True")
    facts = trajectory.provenance
    if keep is None:
        keep = ~trajectory.special
        keep[list(facts.get("sinks", ()))] = False
    if keep.sum() < 2:
        raise ValueError(
            f"need at least 2 tokens to keep, got {keep.sum()}: give a longer text or another keep"
        )
    tokens, causal = len(trajectory.tokens), bool(facts.get("causal", False))
    seen = np.tri(tokens, dtype=bool) if causal else np.ones((tokens, tokens), bool)
    pairs = seen & keep[:, None] & keep[None] & ~np.eye(tokens, dtype=bool)
    depths = [place for place, rows in enumerate(attention) if np.isfinite(rows).all()]
    found = []
    for place in depths:
        cosines = trajectory.points[place] @ trajectory.points[place].T
        entropies = _Entropies(cosines[keep], seen[keep])
        for head in attention[place]:
            rows = head.astype(np.float64)
            logs = np.log(rows, where=rows > 0, out=np.zeros_like(rows))  # 0 log 0 = 0
            entropy = -float(np.einsum("ij,ij->i", rows, logs)[keep].mean())
            slope, share, count = _regression(logs, cosines, pairs & (rows > 0))
            found.append((slope, share, entropies.beta(entropy), count))
    columns = np.reshape(found, (len(depths), attention.shape[1], 4)).transpose(2, 0, 1)
    return xr.Dataset(
        {name: (("depth", "head"), column) for name, column in zip(NAMES, columns)},
        coords={"depth": trajectory.depth[depths]},
    )


def _regression(
    logs: Float[np.ndarray, "token token"],
    cosines: Float[np.ndarray, "token token"],
    pairs: Bool[np.ndarray, "token token"],
) -> tuple[float, float, int]:
    """Slope and R^2 of log weights on cosines, both less their means over each row's pairs."""
    of_row = pairs.sum(axis=1)
    logs, angles = _within_rows(logs, pairs, of_row), _within_rows(cosines, pairs, of_row)
    count = int(of_row.sum())
    spread, covariance, total = (
        float(np.einsum("ij,ij->", left, right))
        for left, right in ((angles, angles), (angles, logs), (logs, logs))
    )
    if spread == 0:
        return np.nan, np.nan, count
    explained = covariance**2 / spread
    return covariance / spread, explained / total if total > count * ROUNDING**2 else np.nan, count


def _within_rows(
    values: Float[np.ndarray, "token token"],
    pairs: Bool[np.ndarray, "token token"],
    of_row: Int[np.ndarray, " token"],
) -> Float[np.ndarray, "token token"]:
    means = np.einsum("ij,ij->i", values, pairs) / np.maximum(of_row, 1)
    result = values - means[:, None]
    result *= pairs
    return result


class _Entropies:
    """The mean entropy of the rows softmax(beta cosines) over the seen keys, a decreasing function of beta.

    Arrays hold the seen pairs only, row by row. Every value is kept, so that each head starts from what the ones
    before it have found.
    """

    def __init__(self, cosines: Float[np.ndarray, "row token"], seen: Bool[np.ndarray, "row token"]) -> None:
        highest = np.max(cosines, axis=1, where=seen, initial=-1, keepdims=True)
        self._gaps = (cosines - highest)[seen]
        self._weights = np.empty_like(self._gaps)
        self._rows = np.concatenate([[0], np.cumsum(seen.sum(axis=1))[:-1]])
        self._known: dict[float, float] = {}

    def beta(self, entropy: float) -> float:
        """The beta of this entropy; 0 below `HOTTEST`, infinity above `COLDEST`."""
        low, high = np.log(HOTTEST), np.log(COLDEST)
        if entropy >= self._at(low):
            return 0.0
        if entropy < self._at(high):
            return np.inf
        low = max(place for place, value in self._known.items() if value >= entropy)
        high = min((place for place, value in self._known.items() if value < entropy), default=high)
        found: Any = brentq(lambda place: self._at(place) - entropy, low, high, xtol=1e-10)
        return float(np.exp(found))

    def _at(self, log_beta: float) -> float:
        """A row's entropy is the log of the sum of exp(beta gap), less beta times the mean gap."""
        if log_beta in self._known:
            return self._known[log_beta]
        beta = np.exp(log_beta)
        weights = np.exp(np.multiply(self._gaps, beta, out=self._weights), out=self._weights)
        totals = np.add.reduceat(weights, self._rows)
        weights *= self._gaps
        mean_gaps = np.add.reduceat(weights, self._rows) / totals
        self._known[log_beta] = float(np.mean(np.log(totals) - beta * mean_gaps))
        return self._known[log_beta]
