"""The vector field against a plain loop, against 60 digits where the plain formula fails, and its own promises."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import sim
import sim.kernel

pytestmark = pytest.mark.usefixtures("as_of_many")


def loop(x, beta, kind="SA", causal=False, clock="metastability", masses=None, **operators):
    """The formula as written, one head, token and key at a time."""
    n, d = x.shape
    masses = np.full(n, 1 / n) if masses is None else masses
    heads = max([len(o) for name, o in operators.items() if name != "output_bias"], default=1)
    eye = np.broadcast_to(np.eye(d), (heads, d, d))
    query, key, value, output = (operators.get(name, eye) for name in ("query", "key", "value", "output"))
    none = np.zeros((heads, max(d, query.shape[1], value.shape[1])))
    query_bias, key_bias = (
        operators.get(name, none[:, : query.shape[1]]) for name in ("query_bias", "key_bias")
    )
    value_bias = operators.get("value_bias", none[:, : value.shape[1]])
    velocity = np.zeros_like(x)
    for i in range(n):
        pull = np.array(operators.get("output_bias", np.zeros(d)))
        for h in range(heads):
            seen = range(i + 1 if causal else n)
            logits = [(query[h] @ x[i] + query_bias[h]) @ (key[h] @ x[j] + key_bias[h]) for j in seen]
            offset = {"SA": 0, "USA": 0 if clock == "survey" else 1}[kind]
            weights = [masses[j] * np.exp(beta * (logits[j] - offset)) for j in seen]
            total = sum(weights) if kind == "SA" else 1
            for j in seen:
                pull = pull + output[h] @ (weights[j] / total * (value[h] @ x[j] + value_bias[h]))
        velocity[i] = pull - (x[i] @ pull) * x[i]
    return velocity


RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((5, 3))
X /= np.linalg.norm(X, axis=1, keepdims=True)
MASSES = np.array([0.1, 0.3, 0.25, 0.15, 0.2])
LEARNED: dict[str, Any] = {
    "query": RANDOM.standard_normal((2, 4, 3)),
    "key": RANDOM.standard_normal((2, 4, 3)),
    "value": RANDOM.standard_normal((2, 2, 3)),
    "output": RANDOM.standard_normal((2, 3, 2)),
    "query_bias": RANDOM.standard_normal((2, 4)),
    "key_bias": RANDOM.standard_normal((2, 4)),
    "value_bias": RANDOM.standard_normal((2, 2)),
    "output_bias": RANDOM.standard_normal(3),
}
CASES = {
    "SA": {},
    "USA": {"kind": "USA"},
    "survey": {"kind": "USA", "clock": "survey"},
    "causal": {"causal": True},
    "causal USA": {"kind": "USA", "causal": True},
    "learned": LEARNED,
    "learned causal USA": {"kind": "USA", "causal": True} | LEARNED,
    "query and key": {name: LEARNED[name] for name in ("query", "key")},
    "query bias alone": {"query_bias": RANDOM.standard_normal((1, 3))},
    "value alone": {"value": RANDOM.standard_normal((3, 3, 3))},
    "value bias alone": {"value_bias": RANDOM.standard_normal((2, 3))},
}


@pytest.mark.parametrize("case", CASES)
def test_velocity_is_the_formula(case):
    field = sim.Attention(1.7, **CASES[case])
    expected = loop(X, 1.7, masses=MASSES, **CASES[case])
    # Sums of 10 terms of size up to 10 in float64.
    np.testing.assert_allclose(field.velocity(X, MASSES), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(field(0.0, X, MASSES), expected, rtol=1e-12, atol=1e-13)


def test_one_head_needs_no_head_axis():
    query, key, value, output = (LEARNED[name][0] for name in ("query", "key", "value", "output"))
    field = sim.Attention(1.7, query=query, key=key, value=value, output=output)
    with_axis = sim.Attention(1.7, query=query[None], key=key[None], value=value[None], output=output[None])
    np.testing.assert_array_equal(field.velocity(X), with_axis.velocity(X))
    assert field.heads == 1


def exact(x, beta):
    """Tangent velocity of SA from 60 digits, at the float64 points as they are."""
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(c)) for c in row] for row in x]

        def dot(a, b):
            return mpmath.fsum(p * q for p, q in zip(a, b))

        out = []
        for xi in rows:
            weights = [mpmath.exp(beta * (dot(xi, xj) - 1)) for xj in rows]
            pull = [
                mpmath.fsum(w * xj[c] for w, xj in zip(weights, rows)) / mpmath.fsum(weights)
                for c in range(3)
            ]
            along = dot(xi, pull) / dot(xi, xi)
            out.append([float(p - along * c) for p, c in zip(pull, xi)])
        return np.array(out)


def test_far_pull_keeps_its_digits_where_the_plain_formula_has_none():
    first, second = np.array([0.6, 0.8, 0.0]), np.array([0.48, -0.36, 0.8])
    x = np.stack([first, first, first, second, second])
    expected = exact(x, 40)
    size = np.linalg.norm(expected, axis=1)
    assert np.all(size < 1e-16)
    error = np.linalg.norm(np.asarray(sim.Attention(40.0).velocity(x)) - expected, axis=1) / size
    # Lengths are 1 only to eps, which shifts the exponent by 40 eps.
    assert np.all(error < 1e-13)
    plain = np.linalg.norm(loop(x, 40.0) - expected, axis=1) / size
    assert np.max(plain) > 0.5


def test_coinciding_tokens_do_not_move_each_other():
    x = np.repeat(X[:1], 5, axis=0)
    for kind in ("SA", "USA"):
        np.testing.assert_array_equal(sim.Attention(9.0, kind).velocity(x), np.zeros((5, 3)))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("length", [0.99, 1.01])
def test_lengths_return_to_one_whatever_the_value_matrix(sign, length):
    field = sim.Attention(1.7, value=sign * np.eye(3))
    outwards = np.sum(np.asarray(field(0.0, length * X)) * X, axis=1)
    assert np.all(outwards * (length - 1) < 0)
    on_sphere = np.sum(np.asarray(field.velocity(length * X)) * X, axis=1)
    np.testing.assert_allclose(on_sphere, 0, atol=1e-15)


def test_weights_are_rows_of_a_softmax():
    weights = np.asarray(sim.Attention(1.7, causal=True, **LEARNED).weights(X, MASSES))
    assert weights.shape == (2, 5, 5)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-14)
    assert np.all(weights[:, np.triu_indices(5, 1)[0], np.triu_indices(5, 1)[1]] == 0)
    expected = MASSES[None] * np.exp(3.0 * X @ X.T)
    got = np.asarray(sim.Attention(3.0).weights(X, MASSES))[0]
    np.testing.assert_allclose(got, expected / expected.sum(axis=1, keepdims=True), rtol=1e-13)


def test_huge_logits_do_not_overflow_self_attention():
    field = sim.Attention(1e4, query=5 * np.eye(3), key=5 * np.eye(3))
    assert np.all(np.isfinite(field.velocity(X)))


def test_survey_clock_runs_e_to_the_beta_faster():
    slow, fast = (sim.Attention(3.0, "USA", clock=clock).velocity(X) for clock in ("metastability", "survey"))
    np.testing.assert_allclose(fast, np.exp(3.0) * np.asarray(slow), rtol=1e-13)


def test_tiles_do_not_change_the_velocity(monkeypatch):
    monkeypatch.setattr(sim.kernel, "_entries", lambda _: 37 * 5)  # 6 tokens a tile, and 1 left over
    x = sim.uniform(37, 3, seed=2)
    np.testing.assert_allclose(
        sim.Attention(4.0, "USA").velocity(x), loop(x, 4.0, "USA"), rtol=1e-11, atol=1e-15
    )


def test_memory_does_not_grow_with_the_square_of_the_tokens():
    n, field = 8192, sim.Attention(4.0)
    shape = jax.ShapeDtypeStruct((n, 3), jnp.float64)
    memory = jax.jit(lambda x: field(0.0, x)).lower(shape).compile().memory_analysis()
    # Fewer than 3 tiles of 256 rows, 17 MB; the weights alone, not tiled, would take 537 MB.
    assert memory is not None
    assert memory.temp_size_in_bytes < 48 * 2**20


def test_beta_is_a_batch_axis():
    betas = jnp.array([0.0, 1.0, 4.0])
    batch = jax.vmap(lambda beta: sim.Attention(beta)(0.0, X))(betas)
    for beta, velocity in zip(betas, batch):
        np.testing.assert_allclose(velocity, sim.Attention(beta)(0.0, X), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conserved_moments(seed):
    x = np.asarray(sim.uniform(5, 3, seed))
    usa = np.asarray(sim.Attention(3.0, "USA").velocity(x, MASSES))
    wedge = np.einsum("n,na,nb->ab", MASSES, x, usa)
    np.testing.assert_allclose(wedge, wedge.T, atol=1e-15)
    sa = np.asarray(sim.Attention(3.0, "SA").velocity(x, MASSES))
    partition = np.exp(3.0 * (x @ x.T - 1)) @ MASSES
    wedge = np.einsum("n,na,nb->ab", MASSES * partition, x, sa)
    np.testing.assert_allclose(wedge, wedge.T, atol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": -1.0}, "beta must be finite and at least 0"),
        ({"beta": float("nan")}, "beta must be finite"),
        ({"beta": np.inf}, "beta must be finite"),
        ({"beta": np.ones(2)}, "use jax.vmap"),
        ({"beta": 1.0, "kind": "softmax"}, "kind must be"),
        ({"beta": 1.0, "clock": "wall"}, "clock must be"),
        ({"beta": 701.0, "kind": "USA", "clock": "survey"}, "overflows"),
        ({"beta": 1.0, "query": np.ones((2, 4, 3))}, "query must have shape"),
        ({"beta": 1.0, "query": np.ones((2, 4, 3)), "key": np.ones((2, 5, 3))}, "key must have shape"),
        ({"beta": 1.0, "query": np.ones((2, 3, 3)), "key": np.ones((3, 3, 3))}, "key must have shape"),
        ({"beta": 1.0, "value": np.ones((4, 3))}, "value must have shape"),
        ({"beta": 1.0, "value": np.ones(3)}, "value must have shape"),
        ({"beta": 1.0, "value": np.ones((4, 3)), "output": np.ones((4, 3))}, "output must have shape"),
        ({"beta": 1.0, "value_bias": np.ones(3), "output_bias": np.ones(4)}, "output_bias must have shape"),
        ({"beta": 1.0, "value": np.full((3, 3), np.nan)}, "value must be finite"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        sim.Attention(**arguments)


def test_bad_tokens():
    with pytest.raises(ValueError, match="d = 4"):
        sim.Attention(1.0, value=np.eye(4)).velocity(X)
    with pytest.raises(ValueError, match=r"masses must have shape \(5,\)"):
        sim.Attention(1.0).velocity(X, np.ones(3) / 3)
