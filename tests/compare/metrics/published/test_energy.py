"""Group D of the post against plain loops, closed forms, and its three thresholds."""

import numpy as np
import pytest

from compare.metrics.published.energy import energy_steps, interaction_energy, worst_pairs
from sim.sphere import simplex
from tests.helpers.vectors import unit

BETAS = (0.1, 1.0, 2.0, 5.0)
# Sums of a few hundred terms up to e^5 / (10 n^2) in float64, in another order.
ROUNDING = 1e-10


@pytest.fixture(scope="module")
def path():
    return unit(np.cumsum(np.random.default_rng(4).standard_normal((6, 11, 4)), axis=0))


def energies(points):
    return interaction_energy(points @ np.swapaxes(points, 1, 2))


def test_energy_matches_a_double_loop(path):
    found = energies(path)
    for depth, points in enumerate(path):
        for column, beta in enumerate(BETAS):
            total = sum(np.exp(beta * (x @ y)) for x in points for y in points)
            assert found[depth, column] == pytest.approx(total / (2 * beta * 11**2), abs=ROUNDING)


def test_energy_closed_forms():
    n = 5
    coincident = np.tile(np.eye(4)[:1], (n, 1))
    found = energies(np.stack([coincident, simplex(n, 4)]))
    for column, beta in enumerate(BETAS):
        assert found[0, column] == pytest.approx(np.exp(beta) / (2 * beta), rel=1e-14)
        apart = (np.exp(beta) + (n - 1) * np.exp(-beta / (n - 1))) / (2 * beta * n)
        assert found[1, column] == pytest.approx(apart, rel=1e-13)


def test_steps_and_thresholds_by_hand():
    energy = np.ones((5, 4))
    energy[1] -= 2e-6  # a fall, far too small for the relative rule and for EnergyOK
    energy[2] = energy[1] - 0.5e-6  # rounding
    energy[3] = energy[2] - 2e-3  # a fall by every rule
    energy[4] = energy[3] + 1
    points = unit(np.random.default_rng(0).standard_normal((5, 6, 3)))
    found = energy_steps(points, energy, np.array([5, 2.9, 5, 3.0, 5]))
    assert np.isnan(found["energy_increment"][0]).all()
    np.testing.assert_allclose(found["energy_increment"][1:, 1], [-2e-6, -0.5e-6, -2e-3, 1], atol=1e-15)
    assert found["energy_violation"][:, 2].tolist() == [False, True, False, True, False]
    assert found["energy_violation_gated"][:, 2].tolist() == [False, False, False, True, False]
    assert found["energy_violation_relative"][:, 2].tolist() == [False, False, False, True, False]
    assert not found["energy_ok"]


@pytest.mark.parametrize(("column", "ok"), [(0, True), (1, False), (2, True)])
def test_energy_ok_looks_at_beta_one_only(column, ok):
    energy = np.ones((2, 4))
    energy[1, column] -= 2e-4
    points = unit(np.random.default_rng(0).standard_normal((2, 6, 3)))
    assert energy_steps(points, energy, np.full(2, 5.0))["energy_ok"] == ok


def test_drop_pairs_are_the_ten_worst(path):
    energy = energies(path)
    found = energy_steps(path, energy, np.full(6, 4.0))
    assert found["energy_violation_gated"].any()
    for depth, column in np.argwhere(found["energy_violation_gated"]):
        beta = BETAS[column]
        here, before = (
            np.exp(beta * path[at] @ path[at].T) / (2 * beta * 11**2) for at in (depth, depth - 1)
        )
        changes = sorted((here[i, j] - before[i, j], i, j) for i in range(11) for j in range(i + 1, 11))[:10]
        np.testing.assert_allclose(
            found["drop_pair_change"][depth, column], [c[0] for c in changes], atol=ROUNDING
        )
        assert found["drop_pair_tokens"][depth, column].tolist() == [[i, j] for _, i, j in changes]
    calm = ~found["energy_violation_gated"]
    assert np.isnan(found["drop_pair_change"][calm]).all()
    assert (found["drop_pair_tokens"][calm] == -1).all()


def test_drop_pairs_of_few_tokens_are_padded():
    before, after = np.ones((3, 3)), np.full((3, 3), 0.5)
    change, tokens = worst_pairs(before, after, 1.0)
    np.testing.assert_allclose(change[:3], (np.exp(0.5) - np.e) / 18, rtol=1e-14)
    assert tokens[:3].tolist() == [[0, 1], [0, 2], [1, 2]]
    assert np.isnan(change[3:]).all()
    assert (tokens[3:] == -1).all()


def test_energy_rises_along_the_gradient_flow():
    """Lemma 3.7 of 2312.10794: USA ascends the energy. Small Euler steps of it, so that every step is uphill."""
    points = [unit(np.random.default_rng(1).standard_normal((10, 3)))]
    for _ in range(30):
        x = points[-1]
        pull = np.exp(x @ x.T) @ x / 10
        points.append(unit(x + 0.02 * (pull - np.sum(pull * x, axis=1, keepdims=True) * x)))
    points = np.stack(points)
    found = energy_steps(points, energies(points), np.full(31, 3.0))
    assert found["energy_ok"]
    assert not found["energy_violation"][:, 1].any()
    assert (found["energy_increment"][1:, 1] > 0).all()
