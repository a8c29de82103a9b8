"""A run as a record: what it says of itself, where it stops, and what it refuses."""

import json

import jax
import numpy as np
import pytest

import sim
import sim.weights
from tests.helpers.four_tokens import QUERY, START, VALUE


def test_record_of_a_run():
    field = sim.Attention(2.0, query=QUERY, key=np.eye(4), value=VALUE)
    run = sim.simulate(
        field, (1 + 1e-8) * START, [1, 1.5, 2], attention=True, tokens=list("abcd"), provenance={"seed": 3}
    )
    np.testing.assert_array_equal(run.depth, [1, 1.5, 2])
    np.testing.assert_allclose(run.norms[0], 1 + 1e-8, atol=1e-15)
    assert run.tokens == ("a", "b", "c", "d")
    assert run.attention is not None
    assert run.attention.shape == (3, 1, 4, 4)
    np.testing.assert_allclose(run.attention.sum(axis=-1), 1, rtol=1e-14)
    expected = np.exp(2 * (run.points[1] @ QUERY.T) @ run.points[1].T)
    np.testing.assert_allclose(
        run.attention[1, 0], expected / expected.sum(axis=1, keepdims=True), rtol=1e-12
    )
    facts = json.loads(json.dumps(run.provenance))
    assert facts["seed"] == 3
    assert facts["beta"] == 2.0
    assert facts["operators"] == ["query", "key", "value"]
    assert facts["outcome"] == sim.Outcome.SUCCESS
    assert facts["reached"] == 2
    assert facts["evaluations"] == 13 * (facts["accepted"] + facts["rejected"])
    assert set(facts["versions"]) == {"metasphere", "jax", "diffrax"}


def test_one_time_is_the_start_alone():
    run = sim.simulate(sim.Attention(2.0), START, [0.0])
    np.testing.assert_allclose(run.points, START[None], atol=1e-15)
    assert run.provenance["accepted"] == 0


def test_a_run_cut_short():
    with pytest.raises(RuntimeError, match=r"12 steps reached only t = [0-9.]+ of 90: raise max_steps"):
        sim.simulate(sim.Attention(2.0), START, [0, 1, 90], max_steps=12)
    run = sim.simulate(sim.Attention(2.0), START, [0, 1, 90], max_steps=12, throw=False)
    np.testing.assert_array_equal(run.depth, [0, 1])
    assert run.provenance["outcome"] == sim.Outcome.MAX_STEPS
    assert 1 < run.provenance["reached"] < 90
    whole = sim.simulate(sim.Attention(2.0), START, [0, 1])
    np.testing.assert_allclose(run.points, whole.points, atol=1e-9)


def test_an_overflowing_field():
    field = sim.Attention(1.0, "USA", query=40 * np.eye(4), key=40 * np.eye(4))
    with pytest.raises(RuntimeError, match="not finite at t = 0"):
        sim.simulate(field, START, [0, 1])
    run = sim.simulate(field, START, [0, 1], throw=False)
    assert run.provenance["outcome"] == sim.Outcome.NOT_FINITE
    assert len(run.depth) == 1


def test_another_beta_or_tolerance_does_not_compile_anew(monkeypatch):
    traces, pulls = [], sim.weights.pulls

    def counted(*arguments):
        traces.append(arguments)
        return pulls(*arguments)

    monkeypatch.setattr(sim.weights, "pulls", counted)
    monkeypatch.setattr(sim.weights, "_FEW_TOKENS", 0)
    x = sim.uniform(
        33, 3, seed=1
    )  # a shape that no other test has compiled, and too many tokens for differences
    sim.simulate(sim.Attention(1.0), x, [0, 1])
    first = len(traces)
    assert first > 0
    sim.simulate(sim.Attention(2.0), x, [0, 1, 2, 3], rtol=1e-6)
    assert len(traces) == first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x0": np.ones((4, 4))}, "x0 must have unit rows, got one of length 2:"),
        ({"x0": np.full((4, 4), np.nan)}, "x0 must have unit rows"),
        ({"x0": np.ones(4)}, r"x0 must have shape \(n, d\)"),
        ({"x0": np.ones((4, 1))}, "d at least 2"),
        ({"times": [0, 1, 1]}, "times must increase strictly"),
        ({"times": []}, "times must be a list of finite numbers"),
        ({"times": [0, np.inf]}, "times must be a list of finite numbers"),
        ({"masses": np.full(4, 0.3)}, "masses must be positive and sum to 1"),
        ({"masses": np.full(3, 1 / 3)}, "masses must have shape"),
        ({"tokens": ["a"]}, "tokens must name all 4 points"),
        ({"rtol": 1e-17}, "need 1e-14 <= rtol < 1"),
        ({"max_steps": 0}, "max_steps >= 1"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        sim.simulate(**({"field": sim.Attention(1.0), "x0": START, "times": [0, 1]} | changed))


def test_32_bits_are_refused():
    with jax.enable_x64(False), pytest.raises(ValueError, match="turn on 64-bit JAX"):
        sim.simulate(sim.Attention(1.0), START, [0, 1])
