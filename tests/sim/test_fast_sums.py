"""Fast sums over pairs against sums term by term, and where they are refused."""

import sys

import numpy as np
import pytest

import sim
from sim.fast_sums import direct_sums, sums

# The transforms are asked for 1e-14 on the circle and 3e-13 on S^2, of sums that are at most 1.
ERROR = {2: 1e-13, 3: 1e-12}


def masses_of(n):
    drawn = np.random.default_rng(n).random(n)
    return drawn / drawn.sum()


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("beta", [0.0, 1e-9, 1.0, 9.0, 1e3])
@pytest.mark.parametrize("n", [1, 7, 2000])
def test_sums_are_those_term_by_term(d, beta, n):
    points, masses = sim.uniform(n, d, seed=1), masses_of(n)
    found, exact = sums(d, beta)(points, masses), direct_sums(beta, points[:30], points, masses)
    np.testing.assert_allclose(found.weight[:30], exact.weight, rtol=0, atol=ERROR[d])
    np.testing.assert_allclose(found.pull[:30], exact.pull, rtol=0, atol=ERROR[d])


def test_sums_term_by_term_are_the_velocity_of_attention():
    points, masses = sim.uniform(40, 3, seed=2), masses_of(40)
    pull = direct_sums(9.0, points, points, masses).pull
    np.testing.assert_allclose(pull, sim.Attention(9.0, "USA")(0.0, points, masses), rtol=0, atol=1e-15)


def test_tokens_on_the_poles_and_on_each_other():
    points = np.array([[0, 0, 1.0], [0, 0, -1], [1e-9, 0, 1], [0, 0, 1], [1, 0, 0]])
    masses = masses_of(5)
    found, exact = sums(3, 5.0)(points, masses), direct_sums(5.0, points, points, masses)
    np.testing.assert_allclose(found.pull, exact.pull, rtol=0, atol=ERROR[3])


@pytest.mark.parametrize("d", [2, 3])
def test_sums_turn_with_the_tokens(d):
    points, masses = sim.uniform(500, d, seed=3), masses_of(500)
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((d, d)))[0]
    found, turned = (sums(d, 20.0)(each, masses) for each in (points, points @ turn))
    np.testing.assert_allclose(turned.pull, found.pull @ turn, rtol=0, atol=2 * ERROR[d])
    np.testing.assert_allclose(turned.weight, found.weight, rtol=0, atol=2 * ERROR[d])


def test_what_is_too_steep_or_in_too_many_dimensions_is_refused():
    with pytest.raises(ValueError, match=r"d = 2 and 3, got d = 4: use sim\.simulate"):
        sums(4, 1.0)
    with pytest.raises(ValueError, match=r"beta = 1e\+06 needs 12,040 degrees of harmonics for d = 3"):
        sums(3, 1e6)
    with pytest.raises(ValueError, match="beta must be finite and at least 0, got -1"):
        sums(2, -1.0)


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ducc0", None)
    with pytest.raises(
        ValueError, match=r"ducc0, which is not installed: pip install .metasphere\[meanfield\]"
    ):
        sums(2, 1.0)
