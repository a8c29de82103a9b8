"""Other value matrices against their definitions, the energy that some of them climb, and changes of basis."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import sim
from probe.counterfactual import counterfactual

BETA, HEADS, RANK, D, N = 1.3, 2, 3, 6, 5
KINDS = ("identity", "symmetric", "gradient", "sign flipped", "spectrum shuffled")


def normed(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def make_field(mean_free=True, biases=True, **options) -> Any:
    """Two random heads; like those of a model, they do not write along the all-ones vector where mean_free."""
    random = np.random.default_rng(7)
    query, key, value = random.standard_normal((3, HEADS, RANK, D))
    output = random.standard_normal((HEADS, D, RANK))
    constants = {
        "query_bias": random.standard_normal((HEADS, RANK)),
        "key_bias": random.standard_normal((HEADS, RANK)),
        "value_bias": random.standard_normal((HEADS, RANK)),
        "output_bias": random.standard_normal(D),
    }
    if mean_free:
        output = output - output.mean(axis=1, keepdims=True)
        constants["output_bias"] -= constants["output_bias"].mean()
    operators = {"query": query, "key": key, "value": value, "output": output}
    return sim.Attention(BETA, **operators, **(constants if biases else {}), **options)


@pytest.fixture(scope="module")
def x():
    points = np.random.default_rng(8).standard_normal((N, D))
    return normed(points - points.mean(axis=1, keepdims=True))


def products(field):
    return np.asarray(field.output) @ np.asarray(field.value)


def wanted(field, kind, space):
    """The matrices of the table in the docstring, dense."""
    own = products(field) @ space
    logits = space @ np.asarray(field.query).transpose(0, 2, 1) @ np.asarray(field.key) @ space
    if kind == "identity":
        return np.stack([np.linalg.norm(own.sum(axis=0)) / np.linalg.norm(space) / HEADS * space] * HEADS)
    if kind == "symmetric":
        return (own + own.transpose(0, 2, 1)) / 2
    if kind == "gradient":
        return (
            logits * (np.linalg.norm(own, axis=(1, 2)) / np.linalg.norm(logits, axis=(1, 2)))[:, None, None]
        )
    return -own


@pytest.mark.parametrize("mean_free", [True, False])
@pytest.mark.parametrize("kind", KINDS[:4])
def test_matrices_are_those_of_the_table(x, kind, mean_free):
    field = make_field(mean_free)
    other = counterfactual(field, kind)
    matrices = wanted(field, kind, np.eye(D) - 1 / D if mean_free else np.eye(D))
    np.testing.assert_allclose(products(other), matrices, rtol=1e-12, atol=1e-13)
    # All else stays: rows, and the push of the biases, which is the same for all tokens.
    rows = np.asarray(field.weights(x))
    np.testing.assert_array_equal(other.weights(x), rows)
    push = np.einsum("hdk,hk->d", field.output, field.value_bias) + np.asarray(field.output_bias)
    written = np.einsum("hij,hde,je->id", rows, matrices, x) + push
    np.testing.assert_allclose(other.attend(x), written, rtol=1e-12, atol=1e-12)
    if mean_free:
        np.testing.assert_allclose(np.sum(written, axis=1), 0, atol=1e-12)


def test_unnormalised_attention_keeps_its_push(x):
    """Rows of USA do not sum to 1, so the push of the value bias is weighed by their sums."""
    field = make_field(kind="USA")
    rows = np.asarray(field.weights(x))
    push = np.einsum("hij,hdk,hk->id", rows, field.output, field.value_bias)
    flipped = np.asarray(counterfactual(field, "sign flipped").attend(x))
    both = flipped + np.asarray(field.attend(x))
    np.testing.assert_allclose(both, 2 * (push + np.asarray(field.output_bias)[None]), rtol=1e-11, atol=1e-12)


def test_shuffling_keeps_singular_values_alone():
    field = make_field()
    draws = np.stack([products(counterfactual(field, "spectrum shuffled", seed)) for seed in range(40)])
    own = products(field) @ (np.eye(D) - 1 / D)
    singular = np.linalg.svd(own, compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(draws, compute_uv=False), np.stack([singular] * 40), atol=1e-12)
    np.testing.assert_allclose(draws.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(draws.sum(axis=-2), 0, atol=1e-12)
    # Independent directions: traces of mean 0 and variance sum(singular^2) / (D - 1). QR as LAPACK has it gives 0.47.
    traces = np.trace(draws, axis1=2, axis2=3) * (D - 1) ** 0.5 / np.linalg.norm(singular, axis=1)
    assert abs(traces.mean()) < 3 / 80**0.5
    assert 0.75 < traces.std() < 1.25
    again = products(counterfactual(field, "spectrum shuffled", 3))
    np.testing.assert_array_equal(again, draws[3])


def test_identity_is_the_idealised_field(x):
    """A value matrix that turns, with Q = K = I, has the strength of the identity: SA itself comes out."""
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((D, D)))[0]
    other = counterfactual(sim.Attention(BETA, value=turn), "identity")
    np.testing.assert_allclose(other.velocity(x), sim.Attention(BETA).velocity(x), rtol=1e-12, atol=1e-14)


def symmetric_field():
    """Two heads with the same symmetric, indefinite Q^T K, other value matrices, no biases."""
    random = np.random.default_rng(3)
    query = random.standard_normal((D, D))
    query -= query.mean(axis=1, keepdims=True)
    signs = np.array([1.0, 1, 1, -1, -1, 1])[:, None]
    field = make_field(biases=False)
    return replace(field, query=np.stack([query] * 2), key=np.stack([signs * query] * 2)), query.T @ (
        signs * query
    )


def test_gradient_climbs_its_energy_and_its_flip_descends(x):
    field, form = symmetric_field()

    def rises(field):
        points = sim.simulate(field, x, np.linspace(0, 0.4, 21)).points
        return np.diff(np.exp(BETA * np.einsum("tid,de,tje->tij", points, form, points)).sum(axis=(1, 2)))

    climbing = counterfactual(field, "gradient")
    assert np.all(rises(climbing) > 0)
    assert np.all(rises(counterfactual(climbing, "sign flipped")) < 0)
    # The field's own value matrices know nothing of this energy.
    own = rises(field)
    assert own.min() < 0 < own.max()


@pytest.mark.parametrize("kind", KINDS)
def test_basis_inside_a_head_means_nothing(x, kind):
    """W_V -> G W_V with W_O -> W_O G^-1, and queries against keys, move no counterfactual."""
    field = make_field()
    turn, other = np.random.default_rng(4).standard_normal((2, HEADS, RANK, RANK))
    back = np.linalg.inv(other).transpose(0, 2, 1)
    changed = replace(
        field,
        value=turn @ field.value,
        value_bias=np.einsum("hij,hj->hi", turn, field.value_bias),
        output=field.output @ np.linalg.inv(turn),
        query=other @ field.query,
        query_bias=np.einsum("hij,hj->hi", other, field.query_bias),
        key=back @ field.key,
        key_bias=np.einsum("hij,hj->hi", back, field.key_bias),
    )
    first, second = (counterfactual(each, kind, seed=6).velocity(x) for each in (field, changed))
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-10)


def test_a_head_that_does_nothing():
    field = make_field()
    silent = replace(field, output=field.output * np.array([1.0, 0])[:, None, None], query=0 * field.query)
    for kind in KINDS:
        matrices = products(counterfactual(silent, kind))
        assert jnp.all(jnp.isfinite(matrices))
        assert (np.abs(matrices[1]).max() > 0) == (kind == "identity")
        assert (np.abs(matrices[0]).max() > 0) == (kind != "gradient")


def test_bad_input():
    with pytest.raises(
        ValueError, match="kind must be one of identity, symmetric, gradient, sign flipped, spect"
    ):
        counterfactual(make_field(), "negative")
    with pytest.raises(ValueError, match="the field has no operator"):
        counterfactual(sim.Attention(1.0), "identity")
