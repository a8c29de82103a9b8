"""The inverse temperature at which a trained head attends, as if its queries and keys were the tokens themselves."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
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
    Cost: O(heads n^2) time for each of about 15 trials of beta, a depth.

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
        gaps = _gaps(cosines[keep], seen[keep])
        for rows in attention[place].astype(np.float64):
            slope, share, count = _regression(rows, cosines, pairs & (rows > 0))
            found.append((slope, share, _matched(gaps, float(_entropies(rows[keep]).mean())), count))
    columns = np.reshape(found, (len(depths), attention.shape[1], 4)).transpose(2, 0, 1)
    return xr.Dataset(
        {name: (("depth", "head"), column) for name, column in zip(NAMES, columns)},
        coords={"depth": trajectory.depth[depths]},
    )


def _regression(
    weights: Float[np.ndarray, "token token"],
    cosines: Float[np.ndarray, "token token"],
    pairs: Bool[np.ndarray, "token token"],
) -> tuple[float, float, int]:
    """Slope and R^2 of log weights on cosines, both less their means over each row's pairs."""
    logs = _within_rows(np.log(weights, where=pairs, out=np.zeros_like(weights)), pairs)
    angles = _within_rows(cosines, pairs)
    count, spread, covariance = int(pairs.sum()), np.sum(angles**2), np.sum(angles * logs)
    if spread == 0:
        return np.nan, np.nan, count
    explained, total = covariance**2 / spread, np.sum(logs**2)
    return covariance / spread, explained / total if total > count * ROUNDING**2 else np.nan, count


def _within_rows(
    values: Float[np.ndarray, "token token"], pairs: Bool[np.ndarray, "token token"]
) -> Float[np.ndarray, "token token"]:
    means = np.sum(values, axis=1, where=pairs) / np.maximum(pairs.sum(axis=1), 1)
    return np.where(pairs, values - means[:, None], 0)


def _entropies(rows: Float[np.ndarray, "row token"]) -> Float[np.ndarray, " row"]:
    """In nats, with 0 log 0 = 0."""
    return -np.sum(rows * np.log(rows, where=rows > 0, out=np.zeros_like(rows)), axis=1)


def _gaps(
    cosines: Float[np.ndarray, "row token"], seen: Bool[np.ndarray, "row token"]
) -> Float[np.ndarray, "row token"]:
    """Cosines less the largest of the row's seen keys; minus infinity where a key is not seen."""
    highest = np.max(cosines, axis=1, where=seen, initial=-1, keepdims=True)
    return np.where(seen, cosines - highest, -np.inf)


def _entropy(beta: float, gaps: Float[np.ndarray, "row token"]) -> float:
    """The mean entropy of the rows softmax(beta gaps), beta > 0: a decreasing function of beta."""
    weights = np.exp(beta * gaps)
    return float(np.mean(_entropies(weights / weights.sum(axis=1, keepdims=True))))


def _matched(gaps: Float[np.ndarray, "row token"], target: float) -> float:
    """The beta of this entropy; 0 below `HOTTEST`, infinity above `COLDEST`."""
    if target >= _entropy(HOTTEST, gaps):
        return 0.0
    if target < _entropy(COLDEST, gaps):
        return np.inf
    low, high = np.log(HOTTEST), np.log(COLDEST)
    found: Any = brentq(lambda log: _entropy(float(np.exp(log)), gaps) - target, low, high, xtol=1e-10)
    return float(np.exp(found))
