"""From claims to two one-sided p: against SciPy's tests and its correction, claim by claim."""

import numpy as np
import pytest
from scipy import stats

from compare.judging.evidence import Claim, Evidence, balance, weigh

LABELS = tuple(f"run {place}" for place in range(9))


def mean_claim(shift):
    """Of a mean claimed to be above 0."""
    return Claim("effect", "1", np.linspace(-1, 1, 9) + shift, low=0.0)


def test_claims_are_refuted_together_by_simes():
    """Three claims that fail a little each: Simes is the least adjusted p of Benjamini and Hochberg."""
    claims = tuple(mean_claim(shift) for shift in (-0.50, -0.48, -0.46))
    fails = [float(stats.ttest_1samp(claim.values, 0, alternative="less").pvalue) for claim in claims]  # pyright: ignore[reportAttributeAccessIssue]
    simes = float(stats.false_discovery_control(fails).min())
    assert simes < 0.6 * 3 * min(fails)  # Bonferroni's
    found = balance(Evidence(claims, LABELS))
    assert found.p_refuted == pytest.approx(simes, rel=1e-12)
    holds = [float(stats.ttest_1samp(claim.values, 0, alternative="greater").pvalue) for claim in claims]  # pyright: ignore[reportAttributeAccessIssue]
    assert found.p_confirmed == pytest.approx(max(holds), rel=1e-12)
    assert found.claim is claims[0]


def test_a_guard_keeps_a_refutation_from_being_surer_than_itself():
    found = balance(Evidence((mean_claim(-3.0),), LABELS, guard=0.04))
    assert found.p_refuted == 0.04
    assert balance(Evidence((mean_claim(-3.0),), LABELS)).p_refuted < 1e-5


@pytest.mark.parametrize("above", range(10))
def test_both_tests_of_a_median_are_sign_tests(above):
    """Whatever way the bound points: of 9 runs so many above it, the others below."""
    values = np.where(np.arange(9) < above, 2.0, -2.0)
    for claim, inside in (
        (Claim("m", "1", values, low=0.0, kind="median"), above),
        (Claim("m", "1", values, high=0.0, kind="median"), 9 - above),
    ):
        found = weigh(claim)
        assert found.p_holds == pytest.approx(stats.binomtest(inside, 9, 0.5, "greater").pvalue, rel=1e-12)
        assert found.p_fails == pytest.approx(
            stats.binomtest(9 - inside, 9, 0.5, "greater").pvalue, rel=1e-12
        )
