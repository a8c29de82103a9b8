"""Nothing computes in 32 bits without a word: neither while JAX does, nor with a field from before it was turned."""

import jax
import numpy as np
import pytest

import probe
import sim
from sim.interaction_energy import dissipation
from tests.helpers.four_tokens import QUERY, START
from tests.helpers.small_models import small_model, word_tokenizer

USES = {
    "call": lambda field: field(0.0, START, None),
    "velocity": lambda field: field.velocity(START),
    "growth": lambda field: field.growth(START),
    "attend": lambda field: field.attend(START),
    "weights": lambda field: field.weights(START),
    "simulate": lambda field: sim.simulate(field, START, [0, 1]),
    "coalesce": lambda field: sim.coalesce(field, START),
    "dissipation": lambda field: dissipation(field, START),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_field_is_not_used_in_32_bits(use):
    field = sim.Attention(1.5)
    with jax.enable_x64(False), pytest.raises(ValueError, match="turn on 64-bit JAX"):
        use(field)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_field_made_in_32_bits_is_refused_after(use):
    with jax.enable_x64(False):
        field = sim.Attention(1.5)
    with pytest.raises(ValueError, match="made in 32 bits"):
        use(field)


@pytest.mark.parametrize("use", [USES[name] for name in ("simulate", "coalesce", "dissipation")])
def test_what_needs_64_bits_refuses_a_field_of_32(use):
    with pytest.raises(ValueError, match="dtype float64"):
        use(sim.Attention(1.5, dtype="float32"))


@pytest.mark.parametrize("wide", [True, False], ids=["64-bit JAX", "32-bit JAX"])
def test_a_field_of_32_bits_computes_in_them(wide):
    exact = sim.Attention(1.5, query=QUERY, softcap=3.0, norm="ngpt", alpha=0.5).velocity(START)
    with jax.enable_x64(wide):
        field = sim.Attention(1.5, query=QUERY, softcap=3.0, norm="ngpt", alpha=0.5, dtype="float32")
        found = np.asarray(field.velocity(START))
    assert found.dtype == np.float32
    # A dozen operations of relative rounding 6e-8.
    np.testing.assert_allclose(found, exact, atol=2e-6 * float(np.abs(exact).max()))


def test_operators_made_in_32_bits_are_refused_after():
    with jax.enable_x64(False):
        query = np.asarray(sim.Attention(1.0, query=QUERY).query)
    field = sim.Attention(1.0, query=QUERY)
    object.__setattr__(field, "query", query)
    with pytest.raises(ValueError, match="made in 32 bits"):
        field.weights(START)


def test_learned_operators_are_not_folded_in_32_bits():
    model = (small_model("gpt2"), word_tokenizer())
    with jax.enable_x64(False), pytest.raises(ValueError, match="turn on 64-bit JAX"):
        probe.operators(model)
