"""The random-weight law against integration, its limits, and random heads applied layer by layer."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit, logit

import compare.theory
from tests.helpers.equiangular import equiangular
from tests.helpers.vectors import unit

theory: Any = compare.theory  # numbers or arrays, as the arguments are


@pytest.mark.parametrize(("n", "start"), [(2, -0.9), (2, 0.3), (17, -0.06), (17, 0.0), (400, 0.01)])
def test_it_solves_the_equation(n, start):
    times = np.linspace(0, 9, 7)
    path = solve_ivp(
        lambda _, cosine: (1 + (n - 1) * cosine) * (1 - cosine) / n,
        (0, 9),
        [start],
        t_eval=times,
        rtol=1e-10,
        atol=1e-12,
    )
    np.testing.assert_allclose(theory.homogenised(times, n, start), path.y[0], rtol=0, atol=1e-9)


def test_limits():
    times = np.array([0.0, 1e-12, 0.5, 3.0, 40.0, 1e4])
    # Many tokens: the logistic equation R' = R (1 - R) of 2604.01978.
    logistic = expit(logit(0.2) + times)
    np.testing.assert_allclose(theory.homogenised(times, 1e12, 0.2), logistic, rtol=0, atol=1e-11)
    # Orthogonal tokens, whose mean has the squared length 1/n: they leave 0 at the rate 1/n.
    np.testing.assert_allclose(theory.homogenised(1e-12, 8, 0.0), 1e-12 / 8, rtol=1e-11)
    np.testing.assert_allclose(
        theory.homogenised(times[:4], 2, 0.0), np.tanh(times[:4] / 2), rtol=1e-15, atol=0
    )
    # Consensus stays, and all end there; times add up.
    assert (theory.homogenised(times, 8, 1.0) == 1).all()
    # 1 + (n-1) R0 = 0.02 is a difference of numbers of order 1.
    np.testing.assert_allclose(theory.homogenised(1e4, 8, -0.14), 1, rtol=1e-14)
    halfway = theory.homogenised(1.5, 8, -0.1)
    np.testing.assert_allclose(
        theory.homogenised(1.5, 8, halfway), theory.homogenised(3.0, 8, -0.1), rtol=1e-14
    )


def layer(points, beta, step, heads, random):
    """One layer of random heads: values of variance 1/d, scores beta <Q x, K y> from 16 dimensions."""
    n, d = points.shape
    added = np.zeros((n, d))
    for _ in range(heads):
        query, key = random.standard_normal((2, d, 16)) / 4
        value = random.standard_normal((d, d)) / np.sqrt(d)
        weights = np.exp(beta * (points @ query) @ (points @ key).T)
        added += (weights / weights.sum(axis=1, keepdims=True)) @ points @ value.T
    return unit(points + step / heads * added)


def test_random_heads_follow_it():
    n, d, heads, layers, step, beta, draws, start = 12, 200, 2, 120, 0.135, 0.4, 8, 0.05
    tau = layers * step**2 / heads
    cosines = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        points = np.hstack([equiangular(n, start), np.zeros((n, d - n))])
        for _ in range(layers):
            points = layer(points, beta, step, heads, random)
        gram = points @ points.T
        cosines.append((gram.sum() - n) / (n * (n - 1)))
    expected, doubled, halved = (theory.homogenised(pace * tau, n, start) for pace in (1, 2, 0.5))
    # 4 standard errors, and what d, steps and scores take off R', which is at most (1 + 1/n)/4: a share of at most 3/d,
    # and of the squares of steps (0.01) and scores (0.01).
    near = 4 * np.std(cosines, ddof=1) / np.sqrt(draws) + (3 / d + 0.02) * tau * (1 + 1 / n) / 4
    assert abs(np.mean(cosines) - expected) < near
    # It can tell the law from one at twice the pace, that of V = 1, or at half of it.
    assert min(doubled - expected, expected - halved) > near


@pytest.mark.parametrize("d", [2, 3, 8])
def test_finite_dimension_slows_the_pull(d):
    """The mean change of a pair's cosine in one layer, over V and -V, which cancels what is linear in the step."""
    random, step = np.random.default_rng(d), 1e-3
    points = unit(random.standard_normal((4, d)))
    mean = points.mean(axis=0)
    pushed = random.standard_normal((200_000, d, 1)) * np.linalg.norm(mean) / np.sqrt(d)
    cosine = points[0] @ points[1]
    changes = np.zeros(len(pushed))
    for sign in (1, -1):
        first, second = (unit(point + sign * step * pushed[..., 0]) for point in points[:2])
        changes += (np.sum(first * second, axis=1) - cosine) / (2 * step**2)
    expected = mean @ mean * (1 - cosine) * (1 - (2 + cosine) / d)
    # 5 standard errors, and a step whose square is 1e-6.
    error = 5 * changes.std() / np.sqrt(len(changes)) + 1e-5
    assert abs(changes.mean() - expected) < error
    assert abs(mean @ mean * (1 - cosine) - expected) > error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.homogenised(-1.0, 4), "tau must be finite and at least 0, got -1"),
        (lambda: theory.homogenised(1.0, 1), "n must be a number of tokens of at least 2, got 1"),
        (lambda: theory.homogenised(1.0, 4, -0.4), r"start must be in \(-1/\(n-1\), 1\], got -0.4"),
        (lambda: theory.homogenised(1.0, [2, 9], [[1.1]]), r"start must be in .*, got 1.1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
