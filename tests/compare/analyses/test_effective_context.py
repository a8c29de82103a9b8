"""N_eff of heads: the theory's own head in few and many dimensions, and heads that look elsewhere."""

import numpy as np
import pytest

import sim
from compare import theory
from compare.analyses.effective_context import effective_context
from compare.analyses.head_context import long_context
from sim.sphere import normalise

TOKENS = 400


def reading(dimension, width, rows_of, beta, key=None):
    """Uniform tokens on a sphere inside `width` coordinates, one head whose keys they are, and its rows."""
    points = np.zeros((TOKENS, width))
    points[:, :dimension] = normalise(np.random.default_rng(dimension).standard_normal((TOKENS, dimension)))
    field = sim.Attention(
        beta,
        key=np.eye(width) if key is None else key,
        value=np.eye(width),
        output=np.eye(width),
        query=np.eye(width),
    )
    rows = rows_of(np.asarray(field.weights(points)))
    facts = {"frame": "layernorm", "scheme": "post", "causal": False}
    run = sim.Trajectory(
        np.stack([points, points]),
        [0, 1],
        "layer",
        norms=np.full((2, TOKENS), np.sqrt(width)),
        attention=np.stack([rows, np.full_like(rows, np.nan)]),
        provenance=facts,
    )
    return effective_context(run, long_context(run), [field]).isel(depth=0, head=0)


@pytest.mark.parametrize(("dimension", "beta"), [(3, 20.0), (3, 200.0), (12, 8.0)])
def test_the_theory_s_own_head(dimension, beta):
    found = reading(dimension, 16, lambda rows: rows, beta)
    # participation ratio of 400 points: d (1 - O(d/n)); their mean cosine is 0 to 1/n
    np.testing.assert_allclose(found["key_dimension"], dimension, rtol=0.05)
    np.testing.assert_allclose(
        found["effective_tokens"], theory.effective_tokens(TOKENS, beta, dimension), rtol=0.2
    )
    # the mean of 1 / (1 + N_eff), over tokens whose neighbourhoods differ, is a little more than that of the mean
    np.testing.assert_allclose(found["self_weight"], found["foretold_self_weight"], rtol=0.25)


def test_in_few_dimensions_more_tokens_are_near():
    few, many = (reading(dimension, 16, lambda rows: rows, 12.0)["effective_tokens"] for dimension in (3, 12))
    assert few > 5 * many


def test_a_head_that_looks_elsewhere_is_told_by_its_self_weight():
    """Each token looks at the next one as it would at itself: the same entropy and N_eff, and nothing of its own."""
    own = reading(3, 16, lambda rows: rows, 200.0)
    moved = reading(3, 16, lambda rows: np.roll(rows, 1, axis=2), 200.0)
    np.testing.assert_allclose(moved["effective_tokens"], own["effective_tokens"], rtol=1e-9)
    assert moved["self_weight"] < 0.1 * moved["foretold_self_weight"]


def test_a_head_whose_keys_are_all_alike_sees_every_token():
    found = reading(3, 16, lambda rows: rows, 12.0, key=np.zeros((16, 16)))
    assert found["key_dimension"] == 1
    np.testing.assert_allclose(found["effective_tokens"], TOKENS, rtol=1e-9)
    np.testing.assert_allclose(found["self_weight"], 1 / TOKENS, rtol=1e-9)


def test_a_sharp_head_has_itself_alone():
    found = reading(3, 16, lambda rows: np.eye(TOKENS)[None], 1.0)
    assert found["effective_tokens"] == 0
    assert found["self_weight"] == found["foretold_self_weight"] == 1
