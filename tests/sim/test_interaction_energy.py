"""Energies against printed digits and a plain loop; gradients against JAX's own; growth along the flows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim
from sim.interaction_energy import dissipation, gradient

MASSES = np.array([0.1, 0.3, 0.25, 0.35])


@pytest.fixture(scope="module")
def start():
    """Four fixed points in general position on S^2."""
    i = np.arange(4)
    x = np.stack([np.sin(i + 1), np.cos(2 * i + 1), np.sin(3 * i + 2)], axis=-1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def loop(x, beta, masses):
    return sum(
        mi * mj * np.exp(beta * (xi @ xj - 1)) for mi, xi in zip(masses, x) for mj, xj in zip(masses, x)
    )


def test_printed_energies(start):
    survey_scale = np.exp(2) / 4
    np.testing.assert_allclose(sim.energy(start, 2.0), 0.3760250795933409, rtol=1e-14)
    np.testing.assert_allclose(survey_scale * sim.energy(start, 2.0), 0.6946176019300146, rtol=1e-14)
    # Printed to 14 digits.
    sa = survey_scale * dissipation(sim.Attention(2.0), start)
    np.testing.assert_allclose(sa, 0.073012006342684, rtol=1e-13)
    usa = survey_scale * dissipation(sim.Attention(2.0, "USA", clock="survey"), start)
    np.testing.assert_allclose(usa, 0.24125909598144, rtol=1e-13)


def test_energy_is_the_double_sum_at_every_depth(start):
    stack = np.stack([start, sim.uniform(4, 3, seed=1)])
    got = sim.energy(stack, 3.0, MASSES)
    np.testing.assert_allclose(got, [loop(x, 3.0, MASSES) for x in stack], rtol=1e-14)
    np.testing.assert_allclose(sim.energy(stack, 0.0, MASSES), 1, rtol=1e-15)
    assert sim.energy(np.repeat(start[:1], 4, axis=0), 50.0) == 1


def test_energy_of_far_tight_clusters_is_the_sum_of_squared_masses():
    x = np.eye(3)[[0, 0, 1, 2]]
    heights = (MASSES[0] + MASSES[1]) ** 2 + MASSES[2] ** 2 + MASSES[3] ** 2
    # Three pairs at 90 degrees, below e^-200 each.
    np.testing.assert_allclose(sim.energy(x, 200.0, MASSES), heights, rtol=1e-15)


def test_gradient_is_the_tangent_part_of_the_derivative(start):
    def extended(x):
        return MASSES @ jnp.exp(3.0 * (x @ x.T - 1)) @ MASSES

    full = np.asarray(jax.grad(extended)(jnp.asarray(start)))
    tangent = full - np.sum(full * start, axis=1, keepdims=True) * start
    np.testing.assert_allclose(gradient(start, 3.0, MASSES), tangent, rtol=1e-12, atol=1e-15)
    assert gradient(start, 0.0).shape == (4, 3)
    np.testing.assert_allclose(sim.energy(start, 3.0, MASSES), extended(jnp.asarray(start)), rtol=1e-14)


def test_gradient_keeps_its_digits_at_large_beta():
    # Two points at 90 degrees: |grad_i| = 2 beta m_1 m_2 e^(-beta).
    sizes = np.linalg.norm(gradient(np.eye(2), 100.0), axis=1)
    np.testing.assert_allclose(sizes, 200 / 4 * np.exp(-100), rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "clock"), [("SA", "metastability"), ("USA", "metastability"), ("USA", "survey")]
)
@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_dissipation_is_the_derivative_along_the_flow(start, kind, clock, beta):
    field = sim.Attention(beta, kind, clock=clock)
    velocity = field(0.0, start, MASSES)
    _, along = jax.jvp(lambda x: sim.energy(x, beta, MASSES), (jnp.asarray(start),), (velocity,))
    growth = dissipation(field, start, MASSES)
    # A sum of 12 signed terms against one of positive terms, both of rounding eps.
    np.testing.assert_allclose(along, growth, rtol=1e-12)
    assert growth > 0


def test_bad_input(start):
    with pytest.raises(ValueError, match="beta must be finite and at least 0"):
        sim.energy(start, -1.0)
    with pytest.raises(ValueError, match=r"points must have shape \(n, d\)"):
        sim.energy(start[0], 1.0)
    with pytest.raises(ValueError, match="masses must have shape"):
        sim.energy(start, 1.0, MASSES[:2])
    for field in (sim.Attention(1.0, causal=True), sim.Attention(1.0, value=np.eye(3))):
        with pytest.raises(ValueError, match="this identity holds"):
            dissipation(field, start)


def test_32_bits_are_refused(start):
    with jax.enable_x64(False), pytest.raises(ValueError, match="turn on 64-bit JAX"):
        sim.energy(start, 1.0)
