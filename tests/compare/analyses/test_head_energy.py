"""Energies of heads by loops; their sum, which rises under the flow of the theorem, and may fall under softmax."""

from dataclasses import replace

import numpy as np
import pytest

import probe
import sim
from compare.analyses.head_energy import head_energy
from probe.learned_operators import shortening
from probe.loading import load
from sim.sphere import normalise
from tests.helpers.small_models import TEXT, family_tokenizer, small_model


def after_a_step(kind, seed, tokens, dimension, heads, scale):
    """Random symmetric M_h, V_h = M_h, and tokens before and after a small step of their flow."""
    random = np.random.default_rng(seed)
    matrices = random.standard_normal((heads, dimension, dimension))
    matrices = scale * (matrices + matrices.swapaxes(1, 2)) / 2
    eyes = np.tile(np.eye(dimension), (heads, 1, 1))
    clock = "survey" if kind == "USA" else "metastability"
    field = sim.Attention(1.0, kind, query=matrices, key=eyes, value=matrices, output=eyes, clock=clock)
    start = normalise(random.standard_normal((tokens, dimension)))
    end = normalise(start + 1e-4 * np.asarray(field.velocity(start)))
    lengths = np.full((3, tokens), np.sqrt(dimension))
    facts = {"frame": "layernorm", "scheme": "post"}
    run = sim.Trajectory(np.stack([start, end, end]), [0, 0.5, 1], "layer", norms=lengths, provenance=facts)
    return head_energy(run, [field], np.ones(tokens, bool))


def test_the_sum_rises_where_single_heads_fall():
    """2605.04279: unnormalised weights, symmetric M, V = M."""
    found = [after_a_step("USA", seed, 4, 3, 2, 1.5) for seed in range(12)]
    assert all((one["sum_change"] > 0).all() for one in found)
    assert any((one["change"] < 0).any() for one in found)
    # the conditions of the theorem, to rounding
    np.testing.assert_allclose(found[0]["symmetric_share"], 1, rtol=1e-12)
    np.testing.assert_allclose(found[0]["alignment"], 1, rtol=1e-12)


def test_the_sum_may_fall_under_softmax():
    """The same heads, each divided by a sum of its own: first seen in a search over seeds."""
    found = after_a_step("SA", 5, 2, 2, 3, 4.0)
    assert (found["sum_change"] < 0).all()
    one = [after_a_step("SA", seed, 2, 2, 1, 4.0) for seed in range(6)]
    assert all((each["sum_change"] > 0).all() for each in one)  # of one head it cannot


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_energies_by_loops(family):
    model = load((small_model(family), family_tokenizer(family)))
    run = probe.extract(model, TEXT, "layernorm", sublayers=True)
    fields = probe.operators(model)
    found = head_energy(run, fields)
    keep = np.flatnonzero(~run.special)
    keep = [
        place
        for place in keep
        if run.provenance["token_ids"].index(run.provenance["token_ids"][place]) == place
    ]
    block, head, lengths = 1, 2, shortening(run)[2]
    query, key, value, output = (
        np.asarray(getattr(fields[block], name))[head] for name in ("query", "key", "value", "output")
    )
    matrix = query.T @ key
    energies = []
    for state in (2, 3, 4):
        read = lengths[:, None] * run.points[state]
        pairs = [(i, j) for i in keep for j in keep if family == "bert" or j <= i]
        energies.append(
            np.mean([np.exp(float(fields[block].beta) * read[i] @ matrix @ read[j]) for i, j in pairs])
        )
    expected = np.log(energies[1:]) - np.log(energies[0])
    np.testing.assert_allclose(found["change"][block, head], expected, rtol=1e-9, atol=1e-12)
    centred = matrix - matrix.mean(axis=0) - matrix.mean(axis=1)[:, None] + matrix.mean()
    both = np.sum((centred + centred.T) ** 2) / 4 / np.sum(centred**2)
    np.testing.assert_allclose(found["symmetric_share"][block, head], both, rtol=1e-10)
    path = output @ value
    path = path - path.mean(axis=0) - path.mean(axis=1)[:, None] + path.mean()
    cosine = np.sum(path * centred) / np.sqrt(np.sum(path**2) * np.sum(centred**2))
    np.testing.assert_allclose(found["alignment"][block, head], cosine, rtol=1e-9)
    assert found["leading_share"].min() >= 1 / 3


def test_states_between_the_parts_are_needed():
    model = load((small_model("bert"), family_tokenizer("bert")))
    with pytest.raises(ValueError, match="sublayers=True"):
        head_energy(probe.extract(model, TEXT, "layernorm"), probe.operators(model))


def test_logits_that_are_no_form_of_two_tokens_are_refused():
    model = load((small_model("bert"), family_tokenizer("bert")))
    run = probe.extract(model, TEXT, "layernorm", sublayers=True)
    capped = [replace(field, softcap=5.0) for field in probe.operators(model)]
    with pytest.raises(ValueError, match="softcap"):
        head_energy(run, capped)
