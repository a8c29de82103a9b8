"""Output cosines of one layer and of long contexts, against loops and printed values."""

from typing import Any

import numpy as np
import pytest

import compare.theory
from tests.helpers.equiangular import attend, equiangular

theory: Any = compare.theory  # numbers or arrays, as the arguments are


def test_output_cosine_is_the_layer():
    for n, rho, beta in [(3, 0.0, 1.0), (20, 0.3, 5.0), (50, 0.9, 40.0), (8, 0.5, 0.0)]:
        out = attend(equiangular(n, rho), beta)
        cosine = out[0] @ out[1] / np.linalg.norm(out[0]) / np.linalg.norm(out[1])
        np.testing.assert_allclose(theory.output_cosine(rho, n, beta), cosine, rtol=1e-13)


def test_printed_long_contexts():
    n = np.array([1e2, 1e4])
    critical = theory.critical_context_beta(0.3, n)
    np.testing.assert_allclose(critical, np.log(n) / 0.7, rtol=1e-15)
    # Printed to 12 digits (the last to 11).
    for factor, printed in [
        (1.0, [0.637950141428, 0.631642933512]),
        (0.5, [0.984690571336, 0.999775874243]),
        (2.0, [0.304293428023, 0.30004200938]),
    ]:
        np.testing.assert_allclose(
            theory.output_cosine(0.3, n, factor * critical), printed, rtol=0, atol=6e-12
        )
    limits = theory.long_context_limit(0.3, np.array([0.5, 1.0, 2.0]) / 0.7)
    np.testing.assert_allclose(limits, [1, 0.631578947368, 0.3], rtol=0, atol=5e-13)
    # The finite-n value tends to its limit: at the critical scale the distance is of order 1/n.
    at_large_n = theory.output_cosine(
        0.3, 1e12, theory.critical_context_beta(0.3, 1e12) * np.array([0.5, 1.0, 2.0])
    )
    np.testing.assert_allclose(at_large_n, limits, rtol=0, atol=1e-5)
    assert np.all(np.diff(theory.output_cosine(0.2, 100, np.linspace(0, 60, 200))) <= 1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda theory: theory.output_cosine(1.0, 4, 1.0), r"rho must be in \[0, 1\), got 1"),
        (lambda theory: theory.long_context_limit(0.0, 1.0), r"rho must be in \(0, 1\), got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(theory)
    assert "\n" not in str(caught.value)
