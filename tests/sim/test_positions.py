"""Norms, rotations, a cap and biases of logits against a plain loop, and what places must and must not change."""

from typing import Any

import jax
import mpmath
import numpy as np
import pytest

import sim
import sim.kernel
from sim.interaction_energy import dissipation

pytestmark = pytest.mark.usefixtures("as_of_many")
TOKENS, DIMENSION, HEADS, RANK = 6, 4, 2, 4
RANDOM = np.random.default_rng(11)
X = RANDOM.standard_normal((TOKENS, DIMENSION))
X /= np.linalg.norm(X, axis=1, keepdims=True)
MASSES = RANDOM.dirichlet(np.full(TOKENS, 5.0))
PLACES = np.arange(TOKENS)
ANGLES = PLACES[:, None] * np.array([1.0, 0.3])
ALIBI = -0.7 * np.abs(PLACES[:, None] - PLACES)
WINDOW = np.where(np.abs(PLACES[:, None] - PLACES) < 3, 0.0, -np.inf)
LEARNED: dict[str, Any] = {
    "query": RANDOM.standard_normal((HEADS, RANK, DIMENSION)),
    "key": RANDOM.standard_normal((HEADS, RANK, DIMENSION)),
    "query_bias": RANDOM.standard_normal((HEADS, RANK)),
    "value": RANDOM.standard_normal((HEADS, 3, DIMENSION)),
    "output": RANDOM.standard_normal((HEADS, DIMENSION, 3)),
}
NORMS: dict[str, Any] = {
    "query_gain": RANDOM.standard_normal((HEADS, RANK)),
    "key_gain": RANDOM.standard_normal((HEADS, RANK)),
    "query_key_epsilon": 0.2,
}
CASES: dict[str, dict[str, Any]] = {
    "angles": {"angles": ANGLES},
    "bias": {"logit_bias": ALIBI},
    "causal USA, window in one head": {
        "kind": "USA",
        "causal": True,
        "logit_bias": np.stack([ALIBI + WINDOW, ALIBI]),
    },
    "gain of keys alone": {"key_gain": NORMS["key_gain"][:1], "query_key_epsilon": 0.2},
    "cap": {"softcap": 0.8, "kind": "USA", "clock": "survey"},
    "all": {"softcap": 1.5, "angles": ANGLES, "logit_bias": WINDOW, "causal": True} | LEARNED | NORMS,
}


def shares(x, beta, given, masses, head):
    """The weights of one head as the docstring has them, one pair of tokens at a time."""

    def image(name, token):
        vector = given.get(name, np.eye(DIMENSION)[None].repeat(HEADS, 0))[head] @ x[token]
        vector = vector + given.get(f"{name}_bias", np.zeros((HEADS, 1)))[head]
        if f"{name}_gain" in given:
            length = np.sqrt(np.mean(vector**2) + given["query_key_epsilon"])
            vector = given[f"{name}_gain"][head] * vector / length
        if "angles" in given:
            plane = vector[: len(vector) // 2] + 1j * vector[len(vector) // 2 :]
            plane = plane * np.exp(1j * given["angles"][token])
            vector = np.concatenate([plane.real, plane.imag])
        return vector

    kind, bias = given.get("kind", "SA"), given.get("logit_bias", np.zeros((TOKENS, TOKENS)))
    bias = bias if bias.ndim == 2 else bias[head]
    found = np.zeros((TOKENS, TOKENS))
    for i in range(TOKENS):
        for j in range(i + 1 if given.get("causal") else TOKENS):
            logit = beta * (image("query", i) @ image("key", j))
            if "softcap" in given:
                logit = given["softcap"] * np.tanh(logit / given["softcap"])
            offset = beta if kind == "USA" and given.get("clock") != "survey" else 0
            found[i, j] = masses[j] * np.exp(logit + bias[i, j] - offset)
        if kind == "SA":
            found[i] /= found[i].sum()
    return found


@pytest.mark.parametrize("case", CASES)
def test_weights_and_velocity_are_the_formula(case):
    given = CASES[case]
    field = sim.Attention(1.7, **given)
    weights = np.stack([shares(X, 1.7, given, MASSES, head) for head in range(field.heads)])
    # A few roundings of numbers of size 10 in an exponent.
    np.testing.assert_allclose(field.weights(X, MASSES), weights, rtol=1e-13, atol=1e-15)
    eye = np.broadcast_to(np.eye(DIMENSION), (field.heads, DIMENSION, DIMENSION))
    maps = given.get("output", eye) @ given.get("value", eye)
    pull = np.einsum("hij,hde,je->id", weights, maps, X)
    tangent = pull - np.sum(X * pull, axis=1, keepdims=True) * X
    np.testing.assert_allclose(field.velocity(X, MASSES), tangent, rtol=1e-12, atol=1e-14)


def test_rotary_logits_know_differences_of_places_alone():
    early, late = (
        sim.Attention(2.0, angles=ANGLES + shift * np.array([1.0, 0.3]), **LEARNED) for shift in (0, 17)
    )
    weights = np.asarray(early.weights(X))
    np.testing.assert_allclose(late.weights(X), weights, rtol=1e-12)  # angles of 17 rad round by 2e-15
    assert np.abs(np.asarray(sim.Attention(2.0, **LEARNED).weights(X)) - weights).max() > 0.1


def test_tokens_turned_by_the_angles_attend_by_their_own():
    """With Q = K = I, rotary logits are the cosines of tokens that are turned by their places."""
    plane = (X[:, :2] + 1j * X[:, 2:]) * np.exp(1j * ANGLES)
    turned = np.concatenate([plane.real, plane.imag], axis=1)
    expected = sim.Attention(3.0, "USA").weights(turned)
    np.testing.assert_allclose(sim.Attention(3.0, "USA", angles=ANGLES).weights(X), expected, rtol=1e-13)


@pytest.mark.parametrize("given", [{}, {"softcap": 0.5}])
def test_without_temperature_only_the_bias_counts(given):
    weights = np.asarray(sim.Attention(0.0, logit_bias=ALIBI + WINDOW, **given).weights(X))[0]
    expected = np.exp(ALIBI + WINDOW)
    np.testing.assert_allclose(weights, expected / expected.sum(axis=1, keepdims=True), rtol=1e-14)


def test_a_bias_that_hides_what_follows_is_the_causal_mask():
    mask = np.where(np.tri(TOKENS, dtype=bool), 0.0, -np.inf)
    hidden, causal = sim.Attention(4.0, logit_bias=mask), sim.Attention(4.0, causal=True)
    np.testing.assert_allclose(hidden.weights(X, MASSES), causal.weights(X, MASSES), rtol=1e-15)
    hidden, causal = sim.Attention(4.0, "USA", logit_bias=mask), sim.Attention(4.0, "USA", causal=True)
    np.testing.assert_allclose(hidden.velocity(X, MASSES), causal.velocity(X, MASSES), rtol=1e-13, atol=1e-16)


def test_hidden_tokens_may_be_all_in_an_unnormalised_field():
    alone = np.where(PLACES[:, None] > PLACES, 0.0, -np.inf)
    velocity = np.asarray(sim.Attention(4.0, "USA", logit_bias=alone).velocity(X))
    np.testing.assert_array_equal(velocity[0], 0)
    assert np.all(np.isfinite(velocity))


def test_far_pulls_keep_their_digits_beside_a_bias():
    """Two clusters at beta (1 - cos) = 40, whose pull the formula as written loses, against 50 digits."""
    first, second = np.array([0.6, 0.8, 0.0]), np.array([0.48, -0.36, 0.8])
    x = np.stack([first, first, first, second, second, second])
    found = np.asarray(sim.Attention(40.0, logit_bias=ALIBI).velocity(x))
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(float(entry)) for entry in row] for row in x]
        for i, own in enumerate(rows):
            logits = [
                -20 * mpmath.fsum((p - q) ** 2 for p, q in zip(own, other)) + mpmath.mpf(float(bias))
                for other, bias in zip(rows, ALIBI[i])
            ]
            total = mpmath.fsum(map(mpmath.exp, logits))
            pull = [
                mpmath.fsum(mpmath.exp(w) * (r[c] - own[c]) for w, r in zip(logits, rows)) / total
                for c in range(3)
            ]
            along = mpmath.fsum(p * q for p, q in zip(own, pull)) / mpmath.fsum(p * p for p in own)
            exact = np.array([float(p - along * q) for p, q in zip(pull, own)])
            assert np.linalg.norm(exact) < 1e-15
            # eps times the exponent of 40, and a few more.
            np.testing.assert_allclose(found[i], exact, rtol=0, atol=1e-13 * float(np.linalg.norm(exact)))


def test_a_constant_in_a_row_of_the_bias_changes_nothing():
    """Not even one beyond the range of an exponential."""
    shift = np.linspace(-3000, 3000, TOKENS)[:, None]
    plain, shifted = (sim.Attention(1.7, logit_bias=bias).velocity(X) for bias in (ALIBI, ALIBI + shift))
    np.testing.assert_allclose(shifted, plain, rtol=1e-11)  # the bias itself rounds by eps of 3000


def test_tiles_change_nothing(monkeypatch):
    field = sim.Attention(1.7, **CASES["all"])
    whole = field.velocity(X, MASSES), field.weights(X, MASSES)
    monkeypatch.setattr(
        sim.kernel, "_entries", lambda _: 4 * TOKENS * HEADS
    )  # 4 tokens a tile, and 2 left over
    jax.clear_caches()
    tiled = field.velocity(X, MASSES), field.weights(X, MASSES)
    jax.clear_caches()
    for one, other in zip(whole, tiled):
        np.testing.assert_allclose(other, one, rtol=1e-13, atol=1e-15)


def test_the_derivative_is_that_of_the_velocity():
    """Along a motion of tokens and of the bias, against a central difference."""
    towards, change = RANDOM.standard_normal(X.shape), RANDOM.standard_normal(ALIBI.shape)

    def velocity(x, bias):
        return sim.Attention(1.7, logit_bias=bias).velocity(x)

    _, along = jax.jvp(velocity, (X, ALIBI), (towards, change))
    step = 1e-5
    ahead, back = (velocity(X + h * towards, ALIBI + h * change) for h in (step, -step))
    np.testing.assert_allclose(along, (ahead - back) / (2 * step), rtol=1e-7, atol=1e-8)  # step^2, eps / step


def test_coinciding_tokens_part_where_places_tell_them_apart():
    """That `simulate` then keeps them as two is seen in a model, whose first states are its words."""
    field, x = sim.Attention(1.7, logit_bias=ALIBI), np.repeat(X[:2], 3, axis=0)
    assert field.tells_places_apart
    assert not sim.Attention(1.7).tells_places_apart
    velocity = np.asarray(field.velocity(x))
    assert np.linalg.norm(velocity[0] - velocity[2]) > 0.01
    assert field.describe()["operators"] == ["logit_bias"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"angles": ANGLES[:, :1], "value": np.eye(DIMENSION)}, r"angles must have shape \(n, d / 2\)"),
        ({"angles": ANGLES[0]}, "angles must have shape"),
        ({"angles": np.full_like(ANGLES, np.nan)}, "angles must be finite"),
        ({"angles": ANGLES, "logit_bias": ALIBI[:5, :5]}, "logit_bias must have shape"),
        ({"logit_bias": ALIBI[:, :5]}, "logit_bias must have shape"),
        ({"logit_bias": np.where(ALIBI == 0, np.inf, 0)}, "logit_bias must be finite or -inf"),
        ({"logit_bias": np.full((2, TOKENS, TOKENS), -np.inf)}, "hides every token from token 0"),
        ({"causal": True, "logit_bias": np.where(PLACES[:, None] < PLACES, 0.0, -np.inf)}, "from token 0"),
        ({"softcap": 0.0}, "softcap must be finite and above 0"),
        ({"query_key_epsilon": -1.0}, "query_key_epsilon must be finite and at least 0"),
        ({"query_gain": np.ones((2, 3)), "key": np.ones((2, 4, 4))}, "query_gain must have shape"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        sim.Attention(1.0, **arguments).velocity(X)


@pytest.mark.parametrize("given", [{"angles": ANGLES}, {"logit_bias": ALIBI}])
def test_places_are_for_their_tokens_alone(given):
    field = sim.Attention(1.0, **given)
    with pytest.raises(ValueError, match="places of n = 6 tokens, in angles or logit_bias, got 5 tokens"):
        field.velocity(X[:5])
    with pytest.raises(ValueError, match="with positions"):
        sim.coalesce(field, X)
    with pytest.raises(ValueError, match="identity operators"):
        sim.simulate_mean_field(field, X, [0.0, 1.0])
    with pytest.raises(ValueError, match="no mask"):
        dissipation(field, X)
