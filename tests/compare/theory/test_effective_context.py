"""The effective number of tokens against quadrature, closed forms, and attention on uniform tokens."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

import sim
from compare import theory
from compare.theory.bessel import log_mean_weight


@pytest.mark.parametrize("d", [2, 3, 8, 128])
@pytest.mark.parametrize("beta", [0.0, 0.5, 9.0, 80.0])
def test_it_is_n_times_the_mean_weight(d, beta):
    """Over the density of the cosine of a uniform token, sin^(d-2) of its angle."""
    scale = np.pi / 2 if d < 8 else min(np.pi / 2, 12 / np.sqrt(d))

    def mean(function):
        return quad(
            lambda a: function(a) * np.sin(a) ** (d - 2),
            0,
            np.pi,
            points=[np.pi / 2 - scale / 2],
            epsabs=0,
            limit=400,
        )[0]

    weight = mean(lambda a: np.exp(beta * (np.cos(a) - 1))) / mean(lambda a: 1.0)
    np.testing.assert_allclose(theory.effective_tokens(64, beta, d), 64 * weight, rtol=1e-8)  # quad's own


@pytest.mark.parametrize("d", [2, 3, 64, 1025])
@pytest.mark.parametrize("beta", [1e-12, 1.0, 30.0, 1e6, 1e12])
def test_against_sixty_digits(d, beta):
    with mpmath.workdps(60):
        order, b = mpmath.mpf(d) / 2 - 1, mpmath.mpf(beta)
        exact = mpmath.gamma(order + 1) * (2 / b) ** order * mpmath.besseli(order, b) * mpmath.exp(-b)
        expected = float(mpmath.log(exact))
    # logarithms of up to 1e4 are added and cancel
    np.testing.assert_allclose(log_mean_weight(np.float64(beta), d), expected, rtol=1e-11, atol=1e-11)


def test_printed_scales():
    np.testing.assert_allclose(
        theory.effective_context_beta([100.0, 1e4, 1e6], 3), [50.0, 5e3, 5e5], rtol=1e-12
    )
    n = np.array([1e3, 1e5])
    np.testing.assert_allclose(theory.effective_context_beta(n, 2) / (n**2 / (2 * np.pi)), 1, rtol=1e-5)
    np.testing.assert_allclose(theory.effective_context_beta(1000, 1024), 6.931, atol=5e-4)
    many = theory.effective_context_beta(1000, 2**14)
    np.testing.assert_allclose(many, np.log(1000), rtol=2e-3)
    for d in (2, 3, 7, 512):
        found = theory.effective_context_beta(n, d)
        np.testing.assert_allclose(theory.effective_tokens(n, found, d), 1, rtol=1e-9)


@pytest.mark.parametrize(("d", "beta"), [(3, 4.0), (3, 60.0), (32, 6.0), (256, 8.0)])
def test_attention_to_oneself_of_uniform_tokens(d, beta):
    points = sim.uniform(800, d, seed=0)
    weights = np.asarray(sim.Attention(beta).weights(points))[0]
    own = np.diag(weights / weights.sum(axis=1, keepdims=True))
    expected = 1 / (1 + theory.effective_tokens(799, beta, d))
    # the mean of 1/(1 + sum) is above that at the mean sum, by its variance, which is below .2 here
    np.testing.assert_allclose(np.median(own), expected, rtol=0.15)


def test_more_tokens_and_more_heat_mean_more_company():
    betas = np.linspace(0, 40, 81)
    for d in (2, 9):
        assert np.all(np.diff(theory.effective_tokens(100, betas, d)) < 0)
        assert np.all(np.diff(theory.effective_context_beta([10, 100, 1000], d)) > 0)
    np.testing.assert_allclose(theory.effective_tokens(77, 0.0, 5), 77, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.effective_tokens(1, 1.0, 3), "n must be"),
        (lambda: theory.effective_tokens(4, -1.0, 3), "beta must be"),
        (lambda: theory.effective_context_beta(4, 1), "d must be"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
