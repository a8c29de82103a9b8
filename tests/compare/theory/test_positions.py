"""Lost in the middle: published numbers of the formula, the equation that it solves, and tokens that really move."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import compare.theory
import sim

theory: Any = compare.theory  # numbers or arrays, as the arguments are


@pytest.mark.parametrize(
    ("beta", "decay", "words", "time", "place", "least"),
    [(1.0, 1.0, 8, 0.55924124, 0.14027570, 0.54139212), (4.0, 3.0, 16, 0.042215044, 0.14378709, 3.73212863)],
)
def test_numbers_of_the_formula(beta, decay, words, time, place, least):
    """To the digits that the time has; its own clock is beta times as fast as the survey's."""
    found = minimize_scalar(
        lambda s: theory.positional_influence(s, beta * time, beta, decay, words, "survey"),
        bounds=(0.01, 0.9),
        options={"xatol": 1e-10},
    )
    assert found.x == pytest.approx(place, abs=1e-6)
    assert found.fun == pytest.approx(least, rel=2e-8)


@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_it_solves_the_equation(decay):
    """d/dt g(s) = a (K(s, s0) + int_s0^s K(s, u) g(u) du), from places of one context to another by their ratio."""
    beta, source, time, step = 1.5, 0.2, 1.0, 1e-4
    rate = theory.harmonic_influence(source, 1e-9, beta, decay) / 1e-9

    def kernel(place, other):
        return 1 / place if decay == 0 else decay / (np.exp(decay * place) - 1) * np.exp(decay * other)

    def influence(place, t):
        """On a token at any place: a context of that length, whose decay over the whole is place times as large."""
        return theory.harmonic_influence(source / place, t, beta, decay * place) / place

    of_token = rate / kernel(1.0, source)
    change = (influence(1.0, time + step) - influence(1.0, time - step)) / (2 * step)
    between, _ = quad(lambda place: kernel(1.0, place) * influence(place, time), source, 1)
    # step^2, and the rate that is read off at time 1e-9.
    assert change == pytest.approx(of_token * (kernel(1.0, source) + between), rel=1e-7)


def test_the_last_token_keeps_of_each_place_what_is_foretold():
    """n E[cos k(theta_n(t) - theta_i(0))] of 24 tokens, the mean over the angle of the source taken exactly.

    Terms of order 1/n are left out by the theory: 1/n is allowed, and 4 standard errors of 0.01 or so.
    """
    n, beta, decay, time, draws, turns = 24, 1.5, 2.0, 0.6, 100, 6
    back = np.arange(n)[:, None] - np.arange(n)
    raw = np.where(back > 0, -decay * back / n, -np.inf)
    totals = np.exp(raw).sum(axis=1, keepdims=True) / n
    bias = np.concatenate([raw[:1], raw[1:] - np.log(totals[1:])])
    field = sim.Attention(beta, "USA", clock="survey", logit_bias=bias)
    sources = np.array([2, 5, 11, 17, 22])
    angles = np.random.default_rng(3).uniform(0, 2 * np.pi, (draws, 1, 1, n))
    angles = np.broadcast_to(angles, (draws, len(sources), turns, n)).copy()
    for number, source in enumerate(sources):
        angles[:, number, :, source - 1] = (
            angles[:, number, :1, source - 1] + 2 * np.pi * np.arange(turns) / turns
        )
    first = np.moveaxis(angles, 1, 2)[..., np.arange(len(sources)), sources - 1]

    @jax.jit
    @jax.vmap
    def last(angle):
        """The angle of the last token, by eight steps of the classical Runge-Kutta rule."""

        def step(_, x):
            one = field(0.0, x)
            two = field(0.0, x + h / 2 * one)
            three = field(0.0, x + h / 2 * two)
            return x + h / 6 * (one + 2 * two + 2 * three + field(0.0, x + h * three))

        h = time / 8
        x = jax.lax.fori_loop(0, 8, step, jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1))
        return jnp.arctan2(x[-1, 1], x[-1, 0])

    ended = np.asarray(last(angles.reshape(-1, n))).reshape(draws, len(sources), turns)
    apart = ended - np.moveaxis(first, 1, 2)
    for frequency in (1, 2):
        kept = n * np.cos(frequency * apart).mean(axis=2)
        foretold = theory.harmonic_influence(sources / n, time, beta, decay, frequency, "survey")
        error = kept.std(axis=0) / np.sqrt(draws)
        assert np.all(np.abs(kept.mean(axis=0) - foretold) < 4 * error + 1 / n)
        assert np.all(error < 0.05)


def test_clocks_and_limits():
    s = np.array([0.1, 0.4, 0.9])
    slow = theory.positional_influence(s, np.e**2, 2.0, 1.0, 8)
    np.testing.assert_allclose(slow, theory.positional_influence(s, 1.0, 2.0, 1.0, 8, "survey"), rtol=1e-13)
    # Without decay, and just beside it.
    flat, near = (theory.harmonic_influence(s, 1.0, 2.0, decay) for decay in (0.0, 1e-9))
    np.testing.assert_allclose(near, flat, rtol=1e-8)
    # Without temperature the first harmonic alone, at half speed, and continuously so.
    np.testing.assert_allclose(
        theory.harmonic_influence(s, 1.0, 0.0, 1.0, [[1], [2]]),
        theory.harmonic_influence(s, 1.0, 1e-8, 1.0, [[1], [2]]),
        rtol=1e-7,
        atol=1e-7,
    )
    assert (theory.harmonic_influence(s, 1.0, 0.0, 1.0, 2) == 0).all()
    assert (theory.positional_influence(s, 0.0, 2.0, 1.0, 8) == 0).all()


def test_one_minimum_up_to_the_time_that_is_proved():
    s = np.linspace(0.002, 0.998, 500)
    for beta, decay in ((0.5, 0.3), (1.0, 1.0), (4.0, 3.0), (20.0, 1.0)):
        profile = theory.positional_influence(s, theory.u_shape_time(beta, decay), beta, decay, 16)
        assert (np.diff(np.sign(np.diff(profile))) != 0).sum() == 1
        assert profile.min() < min(profile[0], profile[-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1.0, 1.0, 1.0, 8), "source must be strictly between 0 and 1, got 0"),
        ((0.5, -1.0, 1.0, 1.0, 8), "time must be finite and at least 0, got -1"),
        ((0.5, 1.0, -1.0, 1.0, 8), "beta must be finite and at least 0, got -1"),
        ((0.5, 1.0, 1.0, -1.0, 8), "decay must be finite and at least 0, got -1"),
        ((0.5, 1.0, 1.0, 1.0, 0), "words must be finite and above 0, got 0"),
        ((0.5, 1.0, 1.0, 1.0, 8, "wall"), "clock must be one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.positional_influence(*arguments)
