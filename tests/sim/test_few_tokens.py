"""Few tokens are moved by sums of differences: they move as by the products of many, and no others go that way."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim
import sim.weights

RANDOM = np.random.default_rng(5)
N, D = 24, 4
CASES: dict[str, dict[str, Any]] = {
    "SA": {},
    "causal": {"causal": True},
    "USA": {"kind": "USA"},
    "survey": {"kind": "USA", "clock": "survey", "causal": True},
    "heads": {"query": RANDOM.standard_normal((2, 3, D)), "key": RANDOM.standard_normal((2, 3, D))},
    "places": {
        "angles": RANDOM.standard_normal((N, D // 2)),
        "logit_bias": np.where(np.tri(N) > 0, -0.1 * np.arange(N), -np.inf),
        "softcap": 2.0,
    },
}


def moves(monkeypatch, field, masses, few):
    """The function from points to pulls and sums of weights, compiled anew."""
    monkeypatch.setattr(sim.weights, "_FEW_TOKENS", few)
    compiled = jax.jit(lambda x: sim.weights.weighted_pulls(field._weights(), x, masses))
    return compiled.lower(jnp.zeros((N, D))).compile()


@pytest.mark.parametrize("case", CASES)
def test_they_move_as_many_do(monkeypatch, case):
    uniform = sim.uniform(N, D, seed=2)
    capped = 1e-6 * uniform + np.where(np.arange(N)[:, None] % 2, np.eye(D)[0], np.eye(D)[1])
    capped /= np.linalg.norm(capped, axis=1, keepdims=True)
    masses = jnp.asarray(RANDOM.dirichlet(np.full(N, 3.0)))
    field = sim.Attention(12.0, **CASES[case])
    as_few, as_many = (moves(monkeypatch, field, masses, few) for few in (N, 0))
    for x in (uniform, capped):
        for few, many in zip(as_few(jnp.asarray(x)), as_many(jnp.asarray(x))):
            # The accuracy that `sim.kernel` promises of products, relative to each row.
            scale = np.linalg.norm(few, axis=1, keepdims=True)
            assert np.all(np.abs(few - many) <= 1e-10 * np.maximum(scale, 1e-300))


@pytest.mark.parametrize(
    ("n", "d", "heads", "few"),
    [(32, 16, 1, True), (32, 17, 1, False), (33, 2, 1, False), (32, 16, 2, False), (32, 8, 2, True)],
)
def test_who_is_few(monkeypatch, n, d, heads, few):
    asked, pulls = [], sim.weights.pulls
    monkeypatch.setattr(sim.weights, "pulls", lambda *arguments: asked.append(1) or pulls(*arguments))
    operators: dict[str, Any] = (
        {name: np.ones((heads, 1, d)) for name in ("query", "key")} if heads > 1 else {}
    )
    field = sim.Attention(1.0, **operators)
    jax.eval_shape(
        lambda x: sim.weights.weighted_pulls(field._weights(), x, jnp.full(n, 1 / n)), jnp.zeros((n, d))
    )
    assert asked == ([] if few else [1])
