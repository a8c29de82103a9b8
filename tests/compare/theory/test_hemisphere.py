"""Consensus from a hemisphere: its probability and its rates."""

from typing import Any

import numpy as np
import pytest

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_hemisphere_probability():
    # Exact binary fractions, and the printed 16 digits.
    np.testing.assert_allclose(
        theory.hemisphere_probability([10, 32], [3, 8]), [0.08984375, 0.001663446426391602], rtol=1e-12
    )
    np.testing.assert_allclose(theory.hemisphere_probability([2, 5, 8], 8), 1.0, rtol=1e-14)
    random = np.random.default_rng(0).uniform(0, 2 * np.pi, (20_000, 5))
    gaps = np.diff(np.sort(random), axis=-1)
    around = 2 * np.pi - gaps.sum(axis=-1)
    share = np.mean(np.maximum(gaps.max(axis=-1), around) > np.pi)
    # Five standard errors of 20000 draws.
    np.testing.assert_allclose(theory.hemisphere_probability(5, 2), share, rtol=0, atol=0.017)


def test_rates_of_consensus():
    for kind, clock in [("SA", "metastability"), ("USA", "metastability"), ("USA", "survey")]:
        rate = theory.consensus_rate(1.0, kind, clock)
        late = np.array([8.0, 9.0]) * 2 / rate
        slope = np.diff(np.log(1 - theory.gamma(late, 6, 1.0, kind, clock=clock)))[0] / np.diff(late)[0]
        # The next term of the tail is of relative size 1 - gamma, about 1e-5.
        np.testing.assert_allclose(-slope, rate, rtol=1e-4)
        assert theory.cone_rate_bound(6, 1.0) < rate
    np.testing.assert_allclose(theory.cone_rate_bound(3, 2.0), np.exp(-4) / 6, rtol=1e-15)


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="d must be"):
        theory.hemisphere_probability(4, 1)
