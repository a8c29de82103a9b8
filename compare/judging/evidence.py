"""Claims about one number a run, the tests that weigh them, and the verdict that they add up to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import special

from compare.judging.reach import Reach
from compare.statistics import (
    LEVEL,
    RATE,
    SAME,
    Interval,
    association,
    bootstrap_t_interval,
    clopper_pearson,
    mean_above,
    median_interval,
    share_above,
    share_below,
    t_interval,
)

CONFIRMED, REFUTED, UNDECIDED = "CONFIRMED", "REFUTED", "UNDECIDED"
NOT_APPLICABLE = "NOT APPLICABLE"


class NotApplicable(Exception):
    """The hypothesis says nothing about these runs; the message says why."""


class Undecided(Exception):
    """The hypothesis speaks of such runs, but these cannot decide it; the message says why."""


@dataclass(frozen=True)
class Claim:
    """That a number, one a run, lies between `low` and `high` for the population of prompts or seeds.

    statistic, unit: what the number is. values: (run,) finite, or at least not NaN for a median. kind: "mean", by
    Student's t; "share", of runs with value 1 and not 0, by Clopper and Pearson; "median", by order statistics;
    "slope", the coefficient of the last of `terms` in a least squares fit of the values, by Student's t;
    "correlation" of the ranks of values and terms. ceilings: (run,) for a median whose runs are known only to lie
    between values and ceilings. terms: (run, term), for a slope or a correlation. smallest_effect: the least of this
    number that matters, where it is not that of the hypothesis.
    """

    statistic: str
    unit: str
    values: Float[np.ndarray, " run"]
    low: float = -np.inf
    high: float = np.inf
    kind: str = "mean"
    ceilings: Float[np.ndarray, " run"] | None = None
    terms: Float[np.ndarray, "run term"] | None = None
    smallest_effect: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What the runs of a group have to say about one hypothesis.

    claims: all of them must hold, one at least must fail. labels: of the runs, in the order of the values. guard: a
    p that must be small too before the hypothesis is refuted. universal: a theorem, which one run can refute. note:
    what else a reader should know, as a sentence without its full stop. absence: the verdict which says that something
    is not there. reach: what of it would have been seen in these runs, asked where they would say so: where that is not
    what matters, they do not. doubt: another reason why they do not, in words, "" where there is none.
    """

    claims: tuple[Claim, ...]
    labels: tuple[str, ...]
    guard: float = 0.0
    universal: bool = False
    note: str = ""
    absence: str = REFUTED
    reach: Reach | None = None
    doubt: str = ""

    @property
    def is_blind(self) -> bool:
        """Whether what matters would not have been seen, or may be there unseen."""
        return bool(self.doubt) or (self.reach is not None and not self.reach.suffices)


class Weight(NamedTuple):
    """A claim as the runs support it: p_holds is small where it holds, p_fails where it fails."""

    effect: float
    interval: Interval
    p_holds: float
    p_fails: float


def weigh(claim: Claim) -> Weight:
    """Effect, 95 % interval, and the two one-sided p.

    A claim with two ends holds where both one-sided tests are passed, and fails where either is failed, at half the
    level each.
    """
    effect, interval, above, below = _KINDS[claim.kind](claim)
    ends = [(above, below, claim.low), (below, above, claim.high)]
    tests = [(inside(bound), outside(bound)) for inside, outside, bound in ends if np.isfinite(bound)]
    holds, fails = zip(*tests)
    return Weight(effect, interval, max(holds), min(1.0, len(tests) * min(fails)))


class Balance(NamedTuple):
    """A hypothesis as the runs support it, and the claim that it hangs on."""

    p_confirmed: float
    p_refuted: float
    claim: Claim
    weight: Weight

    @property
    def p(self) -> float:
        """The smaller of the two one-sided p."""
        return min(self.p_confirmed, self.p_refuted)


def balance(evidence: Evidence) -> Balance:
    """All claims together: confirmed by the weakest of them, refuted by Simes' combination of those against.

    The claim reported is the one with least support, or, where one of them fails, the one that fails most clearly.
    """
    weights = [weigh(claim) for claim in evidence.claims]
    confirmed = max(weight.p_holds for weight in weights)
    against = sorted(weight.p_fails for weight in weights)
    refuted = max(min(len(against) / rank * p for rank, p in enumerate(against, 1)), evidence.guard)
    if evidence.universal:
        confirmed, refuted = (1.0, 0.0) if _is_broken(evidence) else (confirmed, 1.0)
    fails = refuted < confirmed
    place = min(range(len(weights)), key=lambda i: weights[i].p_fails if fails else -weights[i].p_holds)
    if evidence.is_blind:
        confirmed, refuted = (1.0, refuted) if evidence.absence == CONFIRMED else (confirmed, 1.0)
    return Balance(confirmed, refuted, evidence.claims[place], weights[place])


def _is_broken(evidence: Evidence) -> bool:
    """Whether one run lies outside of a claimed range."""
    return any(bool(np.any((c.values < c.low) | (c.values > c.high))) for c in evidence.claims)


def decide(found: Balance, cutoff: float) -> str:
    """The verdict at a one-sided level: that of the 95 % interval is 0.025, a corrected one is smaller."""
    if found.p_confirmed <= cutoff:
        return CONFIRMED
    return REFUTED if found.p_refuted <= cutoff else UNDECIDED


def other_intervals(evidence: Evidence, seed: int) -> tuple[str, ...]:
    """The verdicts, uncorrected, where means are judged by two other methods: bootstrap-t, and by counting runs."""
    found = []
    for method in (lambda c: _resampled(c, seed), _counted):
        states = [method(claim) if claim.kind == "mean" else _by_interval(claim) for claim in evidence.claims]
        refuted = REFUTED in states and evidence.guard <= RATE / 2
        if evidence.universal:
            refuted = _is_broken(evidence)
            states = [UNDECIDED] if refuted else states
        agreed = CONFIRMED if set(states) == {CONFIRMED} else REFUTED if refuted else UNDECIDED
        found.append(UNDECIDED if agreed == evidence.absence and evidence.is_blind else agreed)
    return tuple(found)


def _by_interval(claim: Claim) -> str:
    weight = weigh(claim)
    return CONFIRMED if weight.p_holds <= RATE / 2 else REFUTED if weight.p_fails <= RATE / 2 else UNDECIDED


def _resampled(claim: Claim, seed: int) -> str:
    low, high = bootstrap_t_interval(claim.values, seed=seed)
    if low > claim.low and high < claim.high:
        return CONFIRMED
    return REFUTED if high < claim.low or low > claim.high else UNDECIDED


def _counted(claim: Claim) -> str:
    """By the share of runs inside the claimed range, against one half."""
    inside = int(np.sum((claim.values > claim.low) & (claim.values < claim.high)))
    low, high = clopper_pearson(inside, len(claim.values))
    return CONFIRMED if low > 0.5 else REFUTED if high < 0.5 else UNDECIDED


Test = Callable[[float], float]
Summary = tuple[float, Interval, Test, Test]


def _mean(claim: Claim) -> Summary:
    values = claim.values
    return (
        float(values.mean()),
        t_interval(values),
        lambda bound: mean_above(values, bound),
        lambda bound: mean_above(-values, -bound),
    )


def _share(claim: Claim) -> Summary:
    found, runs = int(claim.values.sum()), len(claim.values)
    return (
        found / runs,
        clopper_pearson(found, runs),
        lambda bound: share_above(found, runs, bound),
        lambda bound: share_below(found, runs, bound),
    )


def _median(claim: Claim) -> Summary:
    lows, runs = claim.values, len(claim.values)
    highs = lows if claim.ceilings is None else claim.ceilings
    return (
        float(np.median(lows)),
        median_interval(lows, highs),
        lambda bound: share_above(int(np.sum(lows > bound)), runs, 0.5),
        lambda bound: share_above(int(np.sum(highs < bound)), runs, 0.5),
    )


def _slope(claim: Claim) -> Summary:
    if claim.terms is None:
        raise ValueError("a claim of a slope needs its terms, got None: give (run, term)")
    free = len(claim.values) - claim.terms.shape[1]
    inverse = np.linalg.inv(claim.terms.T @ claim.terms)
    fit = inverse @ claim.terms.T @ claim.values
    residual = float(np.sum((claim.values - claim.terms @ fit) ** 2))
    effect, error = float(fit[-1]), float(np.sqrt(residual / free * inverse[-1, -1]))
    reach = float(special.stdtrit(free, (1 + LEVEL) / 2)) * error
    exact = error <= SAME * max(1.0, abs(effect))

    def beyond(distance: float) -> float:
        if exact:
            return 0.5**free if distance > 0 else 1.0
        return float(special.stdtr(free, -distance / error))

    return (
        effect,
        Interval(effect - reach, effect + reach),
        lambda bound: beyond(effect - bound),
        lambda bound: beyond(bound - effect),
    )


def _correlation(claim: Claim) -> Summary:
    """Spearman's, with the interval that `compare.statistics.association` describes."""
    if claim.terms is None:
        raise ValueError("a claim of a correlation needs its terms, got None: give (run, 1)")
    found = association(claim.values, claim.terms[:, 0])
    z, (low, high) = np.arctanh([found.low, found.high]).mean(), np.arctanh([found.low, found.high])
    error = (high - low) / (2 * -special.ndtri(RATE / 2))
    return (
        found.correlation,
        Interval(found.low, found.high),
        lambda bound: float(special.ndtr((np.arctanh(bound) - z) / error)),
        lambda bound: float(special.ndtr((z - np.arctanh(bound)) / error)),
    )


_KINDS: dict[str, Callable[[Claim], Summary]] = {
    "mean": _mean,
    "share": _share,
    "median": _median,
    "slope": _slope,
    "correlation": _correlation,
}
