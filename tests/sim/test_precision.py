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
