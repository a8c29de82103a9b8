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


def matrix_by_matrix(weights, pairs, local):
    """Ten rounds on the matrix itself, by distance, by column, by row; what has no weight stays without."""
    tokens = len(pairs)
    apart = np.arange(tokens) - np.arange(tokens)[:, None]
    fitted = pairs.astype(float)
    lines = [apart == distance for distance in range(1 - tokens, tokens)] if local else []
    lines += [np.arange(tokens) == key * np.ones((tokens, 1)) for key in range(tokens)]
    lines += [(np.arange(tokens) == query * np.ones((tokens, 1))).T for query in range(tokens)]
    for _ in range(10):
        for line in lines:
            have = fitted[line].sum()
            fitted[line] *= weights[line].sum() / have if have > 0 else 0
    return fitted


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_factors_fit_what_matrices_do(causal, local):
    """To rounding: sums of up to 13 positive numbers, 30 times. A key, a query and a distance have no weight."""
    attention = local_attention(np.random.default_rng(8), 2, 13, causal, noise=2.0)
    apart = np.arange(13) - np.arange(13)[:, None]
    attention[:, :, 3] = attention[:, 6] = attention[:, apart == -5] = 0
    pairs = (np.tri(13, dtype=bool) if causal else np.ones((13, 13), bool)) & ~np.eye(13, dtype=bool)
    pairs[9] = pairs[:, 9] = False
    fitted = mask_matched(attention, pairs, local=local)
    slow = [matrix_by_matrix(np.where(pairs, head, 0), pairs, local) for head in attention]
    np.testing.assert_allclose(fitted, slow, rtol=1e-13, atol=1e-300)


def test_pairs_that_are_no_mask_of_whole_tokens_are_refused():
    pairs = np.tri(6, k=-1, dtype=bool)
    pairs[4, 1] = False
    with pytest.raises(ValueError, match="leave whole tokens out"):
        mask_matched(np.ones((1, 6, 6)), pairs)
