"""The phase curve of merging times in high dimension."""

from typing import Any

import numpy as np
import pytest

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_phase_curve():
    # Printed to 16 digits or more.
    np.testing.assert_allclose(
        theory.phase_beta([10, 20, 30], 32),
        [5.10990430939117642, 6.34473973851400338, 6.90645864757653115],
        rtol=1e-14,
    )
    np.testing.assert_allclose(
        theory.phase_beta([10, 20, 30], 128),
        [5.9123956936540906, 7.219827952953213, 7.78487727090632653],
        rtol=1e-14,
    )
    np.testing.assert_allclose(theory.phase_curve(0.0, 32), 5.18626098112015614, rtol=1e-14)
    assert np.isnan(theory.phase_beta(5.18, 32))
    beta = np.linspace(0, 300, 31)
    curve = theory.phase_curve(beta, 32, 0.01)
    assert np.all(np.diff(curve) > 0)
    # At beta = 0 the root is the end of its bracket.
    np.testing.assert_allclose(theory.phase_beta(curve[1:], 32, 0.01), beta[1:], rtol=1e-12)


def test_a_tolerance_of_zero_is_refused():
    with pytest.raises(ValueError, match="delta must be"):
        theory.phase_curve(1.0, 4, 0.0)
