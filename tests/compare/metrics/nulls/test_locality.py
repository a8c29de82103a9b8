"""The null of attention: what it keeps of rows, columns and distances."""

import numpy as np
import pytest

from compare.metrics.nulls import mask_matched


def local_attention(random, heads, tokens, causal, noise=0.0):
    place = np.arange(tokens)
    logits = -np.abs(place[:, None] - place) / random.uniform(2, 8, (heads, 1, 1))
    logits = (
        logits
        + random.standard_normal((heads, 1, tokens))
        + noise * random.standard_normal((heads, tokens, tokens))
    )
    if causal:
        logits = np.where(np.tri(tokens, dtype=bool), logits, -np.inf)
    weights = np.exp(logits)
    return weights / weights.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_by_position_and_key_is_its_own_null(causal):
    random = np.random.default_rng(4)
    attention = local_attention(random, 3, 20, causal)
    pairs = (np.tri(20, dtype=bool) if causal else np.ones((20, 20), bool)) & ~np.eye(20, dtype=bool)
    pairs[:, 5] = pairs[5] = False  # a token that is left out
    fitted = mask_matched(attention, pairs)
    weights = np.where(pairs, attention, 0)
    # ten rounds of fitting reach a thousandth of the largest weight
    np.testing.assert_allclose(fitted, weights, atol=1e-3 * weights.max())


def test_the_null_of_attention_has_its_row_column_and_distance_sums():
    attention = local_attention(np.random.default_rng(6), 2, 16, True, noise=1.0)
    pairs = np.tri(16, k=-1, dtype=bool)
    fitted = mask_matched(attention, pairs)
    weights = np.where(pairs, attention, 0)
    assert np.all(fitted[:, ~pairs] == 0)
    np.testing.assert_allclose(fitted.sum(axis=2), weights.sum(axis=2), rtol=1e-12)
    np.testing.assert_allclose(fitted.sum(axis=1), weights.sum(axis=1), atol=0.02)
    for distance in range(1, 16):
        np.testing.assert_allclose(
            np.trace(fitted, -distance, axis1=1, axis2=2),
            np.trace(weights, -distance, axis1=1, axis2=2),
            atol=0.02,
        )
    free = mask_matched(attention, pairs, local=False)
    np.testing.assert_allclose(free.sum(axis=2), weights.sum(axis=2), rtol=1e-12)
    assert np.abs(np.trace(free, -1, axis1=1, axis2=2) - np.trace(weights, -1, axis1=1, axis2=2)).max() > 0.1
