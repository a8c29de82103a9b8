"""Confidence intervals, tests and rank correlations over prompts, seeds or models, and multiple testing."""

from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special, stats

LEVEL = 0.95
RATE = 1 - LEVEL
SAME = 1e-12
MOST_EXACT = 8
PERMUTATIONS = 100_000


class Interval(NamedTuple):
    """From `low` to `high`; infinite where the runs say nothing on that side, NaN where there are none."""

    low: float
    high: float


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Student's interval for the mean: m -+ t(level) s / sqrt(R), of width 0 where all R values agree.

    values: one effect a run, finite. Returns an infinite interval for one run, NaN for none. At 9 to 12 runs its
    coverage is right where the percentile bootstrap covers 90 %; it fails where nearly all values are one number.
    """
    runs = _finite(values)
    if len(runs) < 2:
        return Interval(-np.inf, np.inf) if len(runs) else Interval(np.nan, np.nan)
    reach = special.stdtrit(len(runs) - 1, (1 + level) / 2) * runs.std(ddof=1) / np.sqrt(len(runs))
    return Interval(float(runs.mean() - reach), float(runs.mean() + reach))


def mean_above(values: ArrayLike, bound: float) -> float:
    """One-sided p of "the mean is at most `bound`": Student's t, and the sign test where all values agree.

    Values that agree have no spread to compare with, and then only their number counts: p = 2^(-R) where they lie
    above the bound, 1 where they do not. Returns a number in [0, 1], 1 for fewer than two runs.
    """
    return float(means_above(_finite(values), bound))


def means_above(values: Float[np.ndarray, "run *others"], bound: float) -> Float[np.ndarray, "*others"]:
    """`mean_above` over the runs of each of several quantities, finite, at once."""
    runs = len(values)
    if runs < 2:
        return np.ones(values.shape[1:])
    above, spread = values.mean(axis=0) - bound, values.std(axis=0, ddof=1)
    agree = spread <= SAME * np.maximum(1.0, np.abs(values).max(axis=0))
    p = special.stdtr(runs - 1, -above / np.where(agree, 1, spread) * np.sqrt(runs))
    return np.where(agree, np.where(above > 0, 0.5**runs, 1.0), p)


def bootstrap_t_interval(
    values: ArrayLike, level: float = LEVEL, *, draws: int = 1999, seed: int = 0
) -> Interval:
    """Interval for the mean from resampled t statistics, for effects that are skewed.

    The quantiles of (m* - m)/s* over resamples of the runs take the place of Student's; resamples without spread are
    left out. values: finite. Returns as `t_interval`, which it equals where all values agree, and for two runs, whose
    only resamples with spread are the two runs again.
    """
    runs = _finite(values)
    if len(runs) < 3 or runs.std() <= SAME * max(1.0, float(np.abs(runs).max())):
        return t_interval(runs, level)
    resampled = np.random.default_rng(seed).choice(runs, (draws, len(runs)))
    spread = resampled.std(axis=1, ddof=1)
    varied = spread > SAME * max(1.0, float(np.abs(runs).max()))
    statistic = (resampled[varied].mean(axis=1) - runs.mean()) / spread[varied]
    low, high = np.quantile(statistic, [(1 - level) / 2, (1 + level) / 2])
    own = runs.std(ddof=1)
    return Interval(float(runs.mean() - high * own), float(runs.mean() - low * own))


def clopper_pearson(successes: int, runs: int, level: float = LEVEL) -> Interval:
    """The exact interval for a share of which `successes` of `runs` were seen. Raises ValueError out of range."""
    if not 0 <= successes <= runs or runs < 1:
        raise ValueError(f"need 0 <= successes <= runs and a run, got {successes} of {runs}")
    tail = (1 - level) / 2
    low = special.betaincinv(successes, runs - successes + 1, tail) if successes else 0.0
    high = special.betainccinv(successes + 1, runs - successes, tail) if successes < runs else 1.0
    return Interval(float(low), float(high))


def power_interval(p: ArrayLike, bound: float, level: float = LEVEL) -> Interval:
    """The interval for the share of draws whose p is at most `bound`, from how far few of them are from it.

    With z the normal deviates of R draws, m and s their mean and spread, and c that of the bound, sqrt(R) (m - c)/s has
    Student's noncentral law, of noncentrality sqrt(R) Phi^-1(power) where z is normal: a tolerance bound. Six draws
    can show a power of 95 % where counting them asks for 72.

    p: one-sided p, one a draw. Returns the range from 0 to 1, which says nothing, for fewer than two draws, where a p
    is NaN, and where half of the draws are alike: such a law is not normal, and its draws are to be counted.
    """
    given = np.asarray(p, np.float64)
    draws = len(given)
    least, most = np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg
    above = special.ndtri(bound) - special.ndtri(np.clip(given, least, most))
    if draws < 2 or np.isnan(above).any() or _most_alike(above) >= max(2, draws / 2):
        return Interval(0.0, 1.0)
    # Beyond that the ends are 0 and 1 to all digits, and SciPy's inverse is not.
    statistic = np.clip(np.sqrt(draws) * above.mean() / above.std(ddof=1), -1e4, 1e4)
    noncentralities = special.nctdtrinc(draws - 1, [(1 + level) / 2, (1 - level) / 2], statistic)
    return Interval(*map(float, special.ndtr(noncentralities / np.sqrt(draws))))


def _most_alike(values: Float[np.ndarray, " draw"]) -> int:
    """How many of the values are one number, to rounding."""
    ordered = np.sort(values)
    new = np.diff(ordered) > SAME * np.abs(values).max()
    ends = np.flatnonzero(np.concatenate([[True], new, [True]]))
    return int(np.diff(ends).max())


def share_above(successes: int, runs: int, share: float) -> float:
    """One-sided p of "the share is at most `share`": the chance of at least that many successes.

    1 for a share of at least 1, and without runs.
    """
    return float(stats.binom.sf(successes - 1, runs, share)) if runs and share < 1 else 1.0


def share_below(successes: int, runs: int, share: float) -> float:
    """One-sided p of "the share is at least `share`": the chance of at most that many successes."""
    return float(stats.binom.cdf(successes, runs, share)) if runs and share > 0 else 1.0


def median_interval(values: ArrayLike, ceilings: ArrayLike | None = None, level: float = LEVEL) -> Interval:
    """The interval for a median by order statistics, exact whatever the law, with values known to lie in a range.

    With k the largest rank whose two tails hold at most 1 - level, it runs from the k-th smallest of `values` to the
    k-th largest of `ceilings`: ranks (1, 6) of 6 runs, (2, 8) of 9, (3, 10) of 12. Fewer than 6 runs cannot reach
    95 %, and give an infinite interval.

    values: the least that each run can be; ceilings: the most, infinite where the run ended before it was seen, and
    the values themselves where None.
    """
    lows = np.sort(np.asarray(values, np.float64))
    highs = lows if ceilings is None else np.sort(np.asarray(ceilings, np.float64))
    runs = len(lows)
    rank = int(stats.binom.ppf((1 - level) / 2, runs, 0.5)) if runs else 0
    if rank == 0:
        return Interval(-np.inf, np.inf)
    return Interval(float(lows[rank - 1]), float(highs[runs - rank]))


def benjamini_hochberg(p: ArrayLike) -> Float[np.ndarray, " row"]:
    """q of each row: the smallest false discovery rate at which it is still a discovery among all rows.

    q_(k) = min_{j >= k} m p_(j)/j over the m rows that have a p. NaN stays NaN and does not count.
    """
    given = np.asarray(p, np.float64)
    q = np.full(given.shape, np.nan)
    asked = np.flatnonzero(np.isfinite(given))
    if len(asked):
        order = asked[np.argsort(given[asked], kind="stable")]
        scaled = given[order] * len(order) / np.arange(1, len(order) + 1)
        q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def stouffer(z: ArrayLike) -> float:
    """One-sided p of standardised statistics together: of sum z / sqrt(R). NaN does not count; 1 without any."""
    scores = np.asarray(z, np.float64)
    scores = scores[~np.isnan(scores)]
    return float(special.ndtr(-scores.sum() / np.sqrt(len(scores)))) if len(scores) else 1.0


def _finite(values: ArrayLike) -> Float[np.ndarray, " run"]:
    runs = np.asarray(values, np.float64)
    if runs.ndim != 1 or not np.isfinite(runs).all():
        raise ValueError(f"values must be one finite number a run, got {runs.tolist()}: leave the others out")
    return runs


class Association(NamedTuple):
    """Spearman's correlation over a few models.

    p: two-sided, from permutations. least_p: the smallest p that this many models could have given; where it is above
    0.05, nothing can be concluded. low, high: an interval of 95 %. models: how many. NaN for fewer than 4.
    """

    correlation: float
    p: float
    least_p: float
    low: float
    high: float
    models: int


def association(left: ArrayLike, right: ArrayLike, seed: int = 0) -> Association:
    """Spearman's correlation with what so few numbers can say about it.

    p is the share of all n! orders of the ranks with a correlation as large in size, ties included; beyond n = 8, of
    100,000 random orders and the given one. At best it is 2/n!: 0.083 for 4 models, 0.017 for 5, so below 5 no
    correlation is significant however perfect.

    The interval is that of Bonett and Wright (2000), tanh(atanh r -+ 1.96 sqrt((1 + r^2/2)/(n - 3))), with r no
    larger than half a step below 1, which it has to be at r = 1: a step is 12/(n (n^2 - 1)), the effect of one swap
    of neighbours. For a bivariate normal law it covers 95 % or more from n = 4 to 8.

    Arguments: left, right, one number a model; models with NaN in either are left out. Raises ValueError for lengths
    that differ. NaN where fewer than 4 models are left or all are equal on one side.
    """
    pair = np.stack(np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float)))
    if pair.ndim != 2:
        raise ValueError(f"left and right must be one number a model, got shape {pair.shape[1:]}")
    first, second = pair[:, np.isfinite(pair).all(axis=0)]
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Association(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    first, second = _scaled_ranks(first), _scaled_ranks(second)
    own = float(first @ second)
    others = np.abs(second[_orders(n, seed)] @ first)
    largest = 1 - 6 / (n * (n**2 - 1))
    z = np.arctanh(np.clip(own, -largest, largest))
    reach = stats.norm.ppf(0.975) * np.sqrt((1 + np.tanh(z) ** 2 / 2) / (n - 3))
    return Association(
        correlation=own,
        p=float(np.mean(others >= abs(own) - SAME)),
        least_p=float(np.mean(others >= others.max() - SAME)),
        low=float(np.tanh(z - reach)),
        high=float(np.tanh(z + reach)),
        models=n,
    )


def _scaled_ranks(values: Float[np.ndarray, " model"]) -> Float[np.ndarray, " model"]:
    centred = stats.rankdata(values) - (len(values) + 1) / 2
    return centred / np.linalg.norm(centred)


@lru_cache(maxsize=8)
def _orders(n: int, seed: int) -> np.ndarray:
    """All orders of n things, or many random ones and the given one; drawn once."""
    if n <= MOST_EXACT:
        return np.array(list(permutations(range(n))), np.int16)
    random = np.random.default_rng(seed)
    drawn = random.permuted(np.broadcast_to(np.arange(n, dtype=np.int16), (PERMUTATIONS, n)), axis=1)
    return np.concatenate([np.arange(n, dtype=np.int16)[None], drawn])
