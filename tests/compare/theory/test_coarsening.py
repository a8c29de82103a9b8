"""The gap and the number of clusters as they merge."""

from typing import Any

import numpy as np
import pytest

import compare.theory

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_coarsening():
    log_t = np.log([10, 30, 100, 1e3, 1e4, 1e6, 1e8])
    gap = theory.coarsening_gap(log_t, 200.0)
    # 2 pi/D is printed to the unit, once to a half; 14.677 stands there as 14.7, 19.18 and 17.24 as 19 and 17.
    np.testing.assert_allclose(2 * np.pi / gap, [27, 24, 22, 19, 17, 14.7, 13], rtol=0, atol=0.3)
    simulated = [17.8, 15.3, 14.8, 13.3, 11.5, 9.8, 9.3]
    np.testing.assert_allclose(theory.coarsening_count(log_t, 200.0), simulated, rtol=0.12)
    np.testing.assert_allclose(200 * (1 - np.cos(gap)) - np.log(400 * np.sin(gap) ** 2), log_t, rtol=1e-12)
    # It is the closest-pair law at leading order.
    late = theory.coarsening_gap(50.0, 2000.0)
    law = theory.closest_pair_log_time(2000.0, late, 0.01, 0.01)
    np.testing.assert_allclose(
        law - np.log1p(2 * np.cos(late) / (2000 * np.sin(late) ** 2)), 50.0, rtol=1e-12
    )
    assert np.isnan(theory.coarsening_gap(-0.39, 1e6))
    assert np.all(np.diff(theory.coarsening_gap(np.linspace(0, 300, 50), 200.0)) > 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.coarsening_gap(1.0, 0.0), "beta must be finite and above 0, got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
