"""beta_eff of a head: planted temperatures are found, and nothing that softmax does not see moves them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probe
import sim
from probe.temperature import temperature
from sim.sphere import normalise
from sim.trajectory import Trajectory

TOKENS, DIMENSION = 24, 6


def softmax(logits, causal):
    logits = np.where(np.tri(len(logits), dtype=bool) | (not causal), logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def trajectory(rows, points, causal=False, special=None, sinks=()):
    """One layer, read by the heads whose attention rows are given."""
    attention = np.stack([rows, np.full_like(rows, np.nan)])
    return Trajectory(
        np.stack([points, points]),
        np.arange(2),
        "layer",
        attention=attention,
        special=special,
        provenance={"causal": causal, "sinks": list(sinks)},
    )


@pytest.fixture(scope="module")
def points():
    return np.asarray(sim.uniform(TOKENS, DIMENSION, seed=4))


@settings(max_examples=10, deadline=None)
@given(beta=st.floats(0.01, 40), causal=st.booleans(), sign=st.sampled_from([1, -1]))
def test_a_planted_temperature_is_found(points, beta, causal, sign):
    rows = softmax(sign * beta * points @ points.T, causal)[None]
    found = temperature(trajectory(rows, points, causal))
    np.testing.assert_array_equal(found.depth, [0])
    np.testing.assert_allclose(found.beta_regression, sign * beta, rtol=1e-9)
    np.testing.assert_allclose(found.r_squared, 1, rtol=1e-9)
    if sign == 1:  # conditioned by the slope of the entropy, which is flat at both ends
        np.testing.assert_allclose(found.beta_entropy, beta, rtol=1e-6)


def test_single_precision_rows(points):
    """Rows as models give them: relative rounding of 6e-8 in each weight."""
    rows = softmax(3 * points @ points.T, False)[None].astype(np.float32)
    found = temperature(trajectory(rows, points))
    np.testing.assert_allclose(found.beta_regression, 3, rtol=1e-6)
    np.testing.assert_allclose(found.beta_entropy, 3, rtol=1e-5)


def test_regression_against_explicit_dummies(points):
    """NumPy's least squares with one column for each row's constant, on noisy causal logits."""
    random = np.random.default_rng(1)
    cosines = points @ points.T
    logits = 2 * cosines + random.standard_normal(cosines.shape) + 5 * random.standard_normal((TOKENS, 1))
    pairs = np.argwhere(np.tri(TOKENS, k=-1, dtype=bool))
    x = np.array([cosines[i, j] for i, j in pairs])
    y = np.array([logits[i, j] for i, j in pairs])
    dummies = pairs[:, :1] == np.arange(1, TOKENS)
    slope = np.linalg.lstsq(np.column_stack([x, dummies]), y)[0][0]
    unexplained = np.linalg.lstsq(np.column_stack([x, dummies]), y)[1][0]
    within = np.linalg.lstsq(dummies.astype(float), y)[1][0]
    found = temperature(trajectory(softmax(logits, True)[None], points, True))
    np.testing.assert_allclose(found.beta_regression, slope, rtol=1e-9)
    np.testing.assert_allclose(found.r_squared, 1 - unexplained / within, rtol=1e-9)
    assert found.pairs.item() == len(pairs)


@pytest.mark.parametrize("causal", [True, False])
def test_a_planted_temperature_is_found_beside_places(points, causal):
    places = np.random.default_rng(2).standard_normal(2 * TOKENS)
    distances = np.arange(TOKENS)[:, None] - np.arange(TOKENS)
    rows = softmax(2.5 * points @ points.T + 3 * places[distances], causal)[None]
    found = temperature(trajectory(rows, points, causal))
    np.testing.assert_allclose(found.beta_given_place, 2.5, rtol=1e-9)
    np.testing.assert_allclose(found.r_squared_joint, 1, rtol=1e-9)
    assert found.r_squared_place.item() < 0.99
    np.testing.assert_array_equal(found.beta, found.beta_given_place)
    assert found.beta_entropy.item() > 5  # what places do is taken for cosines


def test_places_against_explicit_dummies(points):
    """NumPy's least squares with one column for each row and for each distance, on noisy causal logits."""
    random = np.random.default_rng(1)
    cosines = points @ points.T
    logits = 2 * cosines + random.standard_normal(cosines.shape)
    pairs = np.argwhere(np.tri(TOKENS, k=-1, dtype=bool))
    x, y = cosines[tuple(pairs.T)], logits[tuple(pairs.T)]
    rows = (pairs[:, :1] == np.arange(1, TOKENS)).astype(float)
    places = (pairs[:, :1] - pairs[:, 1:] == np.arange(1, TOKENS)).astype(float)

    def unexplained(*columns):
        table = np.column_stack(columns)
        solution = np.linalg.lstsq(table, y)[0]
        return np.sum((y - table @ solution) ** 2), solution[0]

    within, _ = unexplained(rows)
    found = temperature(trajectory(softmax(logits, True)[None], points, True))
    left, slope = unexplained(x, rows, places)
    np.testing.assert_allclose(found.beta_given_place, slope, rtol=1e-9)
    np.testing.assert_allclose(found.r_squared_joint, 1 - left / within, rtol=1e-9)
    np.testing.assert_allclose(found.r_squared_place, 1 - unexplained(rows, places)[0] / within, rtol=1e-9)
    np.testing.assert_array_equal(found.beta, found.beta_entropy)  # places are not worth 22 constants


def test_a_head_that_attends_by_place_alone_has_no_temperature():
    """Tokens along a curve: near ones are alike, so that cosines explain what the head does to near places."""
    turns = np.linspace(0, 2, TOKENS)
    random = np.random.default_rng(7)
    curve = normalise(
        np.stack([np.cos(turns), np.sin(turns)], axis=1) + 0.05 * random.standard_normal((TOKENS, 2))
    )
    distances = np.arange(TOKENS)[:, None] - np.arange(TOKENS)
    noise = 0.1 * random.standard_normal((TOKENS, TOKENS))
    rows = softmax(-0.3 * np.abs(distances) + noise, True)[None]
    found = temperature(trajectory(rows, curve, True))
    assert found.beta_regression.item() > 2
    assert found.r_squared.item() > 0.7
    assert abs(found.beta.item()) < 0.3
    np.testing.assert_array_equal(found.beta, found.beta_given_place)


def test_rotated_frames_change_nothing(points):
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((DIMENSION, DIMENSION)))[0]
    rows = softmax(np.random.default_rng(5).standard_normal((TOKENS, TOKENS)), False)[None]
    first = temperature(trajectory(rows, points))
    turned = temperature(trajectory(rows, points @ turn))
    for name in first.data_vars:
        np.testing.assert_allclose(turned[name], first[name], rtol=1e-9, atol=1e-12)


def test_special_tokens_and_sinks_are_left_out(points):
    """Weights to them are planted with another rule; the slope over the rest does not see it."""
    logits = 2 * points @ points.T
    logits[:, [0, 5]] += 9
    special = np.arange(TOKENS) == 0
    rows = softmax(logits, False)[None]
    without = temperature(trajectory(rows, points, special=special, sinks=[5]))
    np.testing.assert_allclose(without.beta_regression, 2, rtol=1e-9)
    np.testing.assert_allclose(without.r_squared, 1, rtol=1e-9)
    assert without.pairs.item() == (TOKENS - 2) * (TOKENS - 3)
    everything = temperature(trajectory(rows, points, special=special), np.ones(TOKENS, bool))
    assert everything.r_squared.item() < 0.5


def test_logits_of_chance_have_no_temperature(points):
    """R^2 of n (n - 1) unrelated pairs is about 1 in that number: 0.002 here."""
    rows = softmax(np.random.default_rng(6).standard_normal((TOKENS, TOKENS)), False)[None]
    found = temperature(trajectory(rows, points))
    assert found.r_squared.item() < 0.02
    assert found.beta_entropy.item() > 0.5  # sharp all the same


def test_ends(points):
    uniform = np.full((1, TOKENS, TOKENS), 1 / TOKENS)
    found = temperature(trajectory(uniform, points))
    assert found.beta_entropy.item() == 0
    np.testing.assert_allclose(found.beta_regression, 0, atol=1e-12)
    assert np.isnan(found.r_squared.item())
    alone = temperature(trajectory(np.eye(TOKENS)[None], points))
    assert alone.beta_entropy.item() > 500  # e^-beta(1 - cos) of the nearest token is gone
    assert np.isnan(alone.beta_regression.item())
    assert alone.pairs.item() == 0
    together = np.tile(points[:1], (TOKENS, 1))
    collapsed = temperature(trajectory(np.eye(TOKENS)[None], together))
    assert collapsed.beta_entropy.item() == np.inf


def test_what_it_needs(points):
    with pytest.raises(ValueError, match="attention=True"):
        temperature(sim.Trajectory(points[None], np.arange(1), "layer"))
    with pytest.raises(ValueError, match="at least 2"):
        temperature(trajectory(np.eye(TOKENS)[None], points), np.arange(TOKENS) == 3)


def test_each_head_and_layer_of_a_model_has_one(minilm):
    text = probe.prompts()["tides"].text
    found = temperature(
        probe.extract(minilm, text, frame="layernorm", attention=True, sublayers=True, max_tokens=40)
    )
    assert dict(found.sizes) == {"depth": 6, "head": 12}
    np.testing.assert_array_equal(found.depth, np.arange(6))
    assert (found.pairs == 38 * 37).all()
    assert ((found.r_squared >= 0) & (found.r_squared <= 1)).all()
    assert (found.beta_entropy > 0).all()


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7])
def test_cosines_that_places_nearly_explain_keep_their_slope(noise):
    """Tokens along a curve: all but `noise` of a cosine is the distance of two places."""
    angles = 0.1 * np.arange(TOKENS) + noise * np.random.default_rng(0).standard_normal(TOKENS)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    apart = np.arange(TOKENS)[:, None] - np.arange(TOKENS)
    rows = softmax(2.0 * points @ points.T - 0.3 * np.abs(apart) ** 0.5, True)[None]
    found = temperature(trajectory(rows, points, True))
    # What cosines have left is `noise`, and is rounded to 1e-15.
    np.testing.assert_allclose(found.beta_given_place, 2, rtol=1e-14 / noise)
