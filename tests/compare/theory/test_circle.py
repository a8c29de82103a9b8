"""The pull between two tokens on the circle."""

from typing import Any

import numpy as np

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_pull_and_its_peak():
    for beta in (0.0, 0.7, 30.0, 1e6):
        peak = float(theory.pull_peak(beta))
        around = peak * np.array([0.999, 1.0, 1.001])
        low, top, high = theory.pull(around, beta)
        assert max(low, high) < top
        np.testing.assert_allclose(theory.pull_slope(peak, beta), 0, atol=1e-12)
    np.testing.assert_allclose(theory.pull_peak(2.0), np.arccos((np.sqrt(17) - 1) / 4), rtol=1e-14)
    np.testing.assert_allclose(theory.pull_peak(1e8), 1e-4, rtol=1e-7)
    step = 1e-6
    slope = (theory.pull(0.4 + step, 5.0) - theory.pull(0.4 - step, 5.0)) / (2 * step)
    np.testing.assert_allclose(theory.pull_slope(0.4, 5.0), slope, rtol=1e-8)
