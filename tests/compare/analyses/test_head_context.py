"""Heads on the scale of log n: heads that are the theorem's own, and heads that look at places."""

import numpy as np
import pytest

import sim
from compare import theory
from compare.analyses.head_context import long_context

TOKENS, WIDTH, RHO = 24, 40, 0.3


def equiangular():
    """Unit points of mutual cosine RHO."""
    gram = RHO + (1 - RHO) * np.eye(TOKENS)
    points = np.zeros((TOKENS, WIDTH))
    points[:, :TOKENS] = np.linalg.cholesky(gram)
    return points


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def trajectory(points, rows, **facts):
    """One depth that is read by the heads of `rows`, and the next, which none reads."""
    unread = np.full_like(rows, np.nan)
    facts = {"frame": "layernorm", "causal": False, "sinks": [], **facts}
    return sim.Trajectory(
        np.stack([points, points]), [0, 1], "layer", attention=np.stack([rows, unread]), provenance=facts
    )


def test_heads_of_the_theorem():
    """Equiangular tokens and logits beta times the cosine: everything in closed form, on both sides of the scale."""
    points = equiangular()
    critical = np.log(TOKENS) / (1 - RHO)
    betas = np.array([0.3, 1.0, 3.0]) * critical
    rows = np.stack([softmax(beta * points @ points.T) for beta in betas])
    found = long_context(trajectory(points, rows))
    assert dict(found.sizes) == {"depth": 1, "head": 3}
    # beta_entropy is found to 1e-10 in its logarithm
    np.testing.assert_allclose(found["beta_entropy"][0], betas, rtol=1e-6)
    np.testing.assert_allclose(found["strength"][0], [0.3, 1, 3], rtol=1e-6)
    np.testing.assert_allclose(found["critical_gamma"], 1 / (1 - RHO), rtol=1e-12)
    np.testing.assert_allclose(found["gamma"][0], betas / np.log(TOKENS), rtol=1e-6)
    np.testing.assert_allclose(found["input_cosine"], RHO, rtol=1e-12)
    np.testing.assert_allclose(found["cosine_spread"], 0, atol=1e-14)
    exact = theory.output_cosine(RHO, TOKENS, betas)
    np.testing.assert_allclose(found["output_cosine"][0], exact, rtol=1e-10)
    np.testing.assert_allclose(found["predicted_cosine"][0], exact, rtol=1e-6)
    np.testing.assert_allclose(found["merging"][0], (1 - exact) / (1 - RHO), rtol=1e-9)
    assert found["merging"][0, 0] < 0.1
    assert found["merging"][0, 2] > 0.9


def test_output_cosine_by_a_loop():
    """Random heads, special tokens and a sink left out as queries and kept as keys."""
    random = np.random.default_rng(1)
    points = random.standard_normal((12, 5)) + 1
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    rows = softmax(random.standard_normal((2, 12, 12)))
    found = long_context(trajectory(points, rows, sinks=[3]))
    keep = [place for place in range(12) if place != 3]
    for head in range(2):
        outputs = np.array([sum(rows[head, i, j] * points[j] for j in range(12)) for i in keep])
        units = [row / np.linalg.norm(row) for row in outputs]
        cosines = [units[i] @ units[j] for i in range(11) for j in range(i)]
        np.testing.assert_allclose(found["output_cosine"][0, head], np.mean(cosines), rtol=1e-12)
    inputs = [points[i] @ points[j] for i in keep for j in keep if j < i]
    np.testing.assert_allclose(found["input_cosine"], np.mean(inputs), rtol=1e-12)
    np.testing.assert_allclose(found["cosine_spread"], np.std(inputs), rtol=1e-10)
    np.testing.assert_allclose(found["log_context"], np.log(12), rtol=1e-12)


def test_a_head_of_places_is_no_head_of_the_theorem():
    """Each token reads its neighbour only: sharp, so beyond the scale, and not by its tokens' cosines."""
    points = equiangular()
    rows = np.roll(np.eye(TOKENS), 1, axis=1)[None]
    rows = 0.999 * rows + 0.001 / TOKENS
    found = long_context(trajectory(points, rows)).isel(depth=0, head=0)
    assert found["strength"] > 1
    # the tokens all have one cosine, so no logit is explained by it
    assert np.nan_to_num(found["r_squared"]) < 0.1
    np.testing.assert_allclose(found["output_cosine"], RHO, atol=0.01)


def test_causal_context_grows_with_the_place():
    points = equiangular()
    logits = np.where(np.tri(TOKENS) > 0, 2 * points @ points.T, -np.inf)
    keep = np.arange(TOKENS) > 2
    found = long_context(trajectory(points, softmax(logits)[None], causal=True), keep)
    expected = np.mean([np.log(place + 1) for place in range(3, TOKENS)])
    np.testing.assert_allclose(found["log_context"], expected, rtol=1e-12)


def test_outside_the_theorem_it_is_silent():
    """Tokens of negative mean cosine have no critical scale."""
    points = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    rows = np.full((1, 4, 4), 0.25) + 0.1 * (np.eye(4) - 0.25)
    found = long_context(trajectory(points, rows))
    assert found["critical_gamma"].isnull().all()
    assert found["predicted_cosine"].isnull().all()
    assert found["strength"].notnull().all()


def test_another_frame_is_refused():
    with pytest.raises(ValueError, match="layernorm"):
        long_context(trajectory(equiangular(), np.full((1, TOKENS, TOKENS), 1 / TOKENS), frame="raw"))
