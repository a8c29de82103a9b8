"""The inverse temperature at which a trained head attends, as if its queries and keys were the tokens themselves."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.optimize import brentq

from probe.effects import Effects, Values
from sim.trajectory import Trajectory

HOTTEST, COLDEST = 1e-6, 1e6
ROUNDING = 1e-6
NAMES = (
    *("beta_regression", "r_squared", "beta_given_place", "r_squared_place", "r_squared_joint"),
    *("beta_entropy", "beta", "pairs"),
)


def temperature(trajectory: Trajectory, keep: Bool[np.ndarray, " token"] | None = None) -> xr.Dataset:
    """beta_eff of each head in three ways, from the cosines <theta_i, theta_j> and the weights A_ij that it gives them.

    - Regression: log A_ij = beta_eff <theta_i, theta_j> + c_i, least squares over the pairs i != j of kept tokens,
      with one constant c_i for each row. That constant takes up the row's normaliser, and with it everything that
      softmax does not see, so this is the regression of the logits, whatever is added to a row of them. Its R^2 is
      the share of the variance within rows that the cosines explain; where it is small, beta_eff says little.
    - Regression beside places: log A_ij = beta_eff <theta_i, theta_j> + c_i + o_(i - j), with one constant more for
      each distance. Heads attend by place and near tokens are alike, so that cosines alone are credited with what
      places do. How much each explains by itself, and both do together, is said beside it.
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
    among them. Of the regression beside places ``beta_given_place``, ``r_squared_place`` of the places alone, and
    ``r_squared_joint`` of both, NaN as above; the own share of the cosines is r_squared_joint - r_squared_place, that
    of the places r_squared_joint - r_squared. And ``beta``: ``beta_given_place``, of
    any sign, where the places are worth their constants by the Bayesian information criterion, else ``beta_entropy``,
    which has no sign: of a head that turns away from its like it says how sharp it is, ``beta_regression`` the rest.

    Raises ValueError where there is no attention, or fewer than two tokens are kept.
    Cost: O(n^2) time for each of about 10 trials of beta, a head; O(n^3) once; 10 n^2 numbers of memory.

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
    effects = Effects(pairs)
    for place in depths:
        cosines = trajectory.points[place] @ trajectory.points[place].T
        entropies = _Entropies(cosines[keep], seen[keep])
        shared = _Regressor(effects, cosines)
        for head in attention[place]:
            rows = head.astype(np.float64)
            logs = np.log(rows, where=rows > 0, out=np.zeros_like(rows))  # 0 log 0 = 0
            entropy = -float(np.einsum("ij,ij->i", rows, logs)[keep].mean())
            lost = pairs & (rows == 0)
            fitted, places_fit = _regressions(
                logs, _Regressor(Effects(pairs & ~lost), cosines) if lost.any() else shared
            )
            by_entropy = entropies.beta(entropy)
            better = fitted[2] if places_fit else by_entropy
            found.append((*fitted, by_entropy, better, int(pairs.sum() - lost.sum())))
    columns = np.reshape(found, (len(depths), attention.shape[1], len(NAMES))).transpose(2, 0, 1)
    return xr.Dataset(
        {name: (("depth", "head"), column) for name, column in zip(NAMES, columns)},
        coords={"depth": trajectory.depth[depths]},
    )


class _Regressor:
    """The cosines of some pairs less the constants of rows, `in_rows`, and less those of places too, `left`."""

    def __init__(self, effects: Effects, cosines: Float[np.ndarray, "token token"]) -> None:
        self.effects = effects
        self.in_rows = effects.without_rows(cosines)
        self.left = effects.without_places(self.in_rows)


def _regressions(
    logs: Float[np.ndarray, "token token"], cosine: _Regressor
) -> tuple[tuple[float, float, float, float, float], bool]:
    """The first five of `NAMES`, and whether the places are worth their constants."""
    log = cosine.effects.without_rows(logs)
    # Of both sides, though one would do in exact numbers: where places nearly explain the cosines, rounding decides.
    log_left = cosine.effects.without_places(log)
    total, count = float(log @ log), len(log)
    slope, explained = _fit(cosine.in_rows, log)
    slope_left, explained_left = _fit(cosine.left, log_left)
    if not total > count * ROUNDING**2:
        return (slope, np.nan, slope_left, np.nan, np.nan), False
    by_places = total - float(log_left @ log_left)
    unexplained = np.array([total - explained, total - by_places - explained_left])
    free = cosine.effects.free
    cost = count * np.log(np.maximum(unexplained, count * ROUNDING**2)) + [0, free * np.log(count)]
    shares = explained / total, by_places / total, (by_places + explained_left) / total
    return (slope, shares[0], slope_left, *shares[1:]), bool(cost[1] < cost[0])


def _fit(cosine: Values, log: Values) -> tuple[float, float]:
    """Slope, and what it explains of the squared logs; NaN where all cosines are equal."""
    spread, covariance = float(cosine @ cosine), float(cosine @ log)
    return (
        (covariance / spread, covariance**2 / spread)
        if spread > ROUNDING**4 * len(cosine)
        else (np.nan, np.nan)
    )


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
