"""The slopes of a step: long states take them stage by stage, short ones from the table, to the same sums."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim.stepping
from sim.stepping import STAGES, slopes


@pytest.mark.parametrize("stages", [2, 7, STAGES + 1])
def test_long_states_step_as_short_ones(monkeypatch, stages):
    state = jnp.asarray(np.random.default_rng(1).standard_normal(6))

    def slope_at(number, moved):
        return jnp.sin(moved) * (1 + number)

    def found(long):
        monkeypatch.setattr(sim.stepping, "_LONG", long)
        return jax.jit(lambda x: slopes(slope_at, x, jnp.cos(x), jnp.asarray(0.3), stages))(state)

    np.testing.assert_allclose(found(1), found(7), rtol=1e-13, atol=1e-13)


def test_a_step_is_of_order_8():
    """exp(-t) over a step of 0.1: the error is that of the ninth order, 1e-9 / 9! and less."""
    start = jnp.linspace(1.0, 2.0, 2000)
    change, *_ = sim.stepping.sums(slopes(lambda _, x: -x, start, -start, jnp.asarray(0.1), STAGES + 1))
    np.testing.assert_allclose(start + 0.1 * change, start * np.exp(-0.1), rtol=1e-14)
