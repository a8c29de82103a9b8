"""The nulls: what they keep to rounding, what they lose, and false-alarm rates against binomial bounds."""

import numpy as np
import pytest
from scipy.stats import binom, kstest

from compare.metrics.calibrated import cluster_life
from compare.metrics.nulls import gaussian_cloud, mask_matched, random_operators, token_rotations
from compare.metrics.nulls.projection import principal
from compare.metrics.nulls.rotation import haar_frames, rotations
from sim.attention import Attention
from tests.helpers.vectors import unit


def cloud(random, depths, tokens, dim, power):
    """Fresh Gaussian tokens with variance k^(-2 power) along axis k, on the sphere."""
    return unit(random.standard_normal((depths, tokens, dim)) * np.arange(1.0, dim + 1) ** -power)


def nearest(points):
    """Log of the median distance to the nearest neighbour, mean over depths, for each draw."""
    cosines = np.einsum("blik,bljk->blij", points, points, dtype=np.float64)
    squares = np.einsum("blii->bli", cosines)
    apart = squares[..., :, None] + squares[..., None, :] - 2 * cosines
    diagonal = np.arange(points.shape[2])
    apart[..., diagonal, diagonal] = np.inf
    return np.log(np.median(np.maximum(apart.min(axis=3), 1e-12), axis=2)).mean(axis=1) / 2


def life(points):
    """Cluster life, mean over depths, for each draw."""
    rule = cluster_life.Rule()
    squared = cluster_life.squared_chords(points.reshape(-1, *points.shape[2:]))
    found = cluster_life.mergers(squared, cluster_life.core_squares(squared)[rule.neighbour - 1])
    least = np.array([cluster_life.least_size(points.shape[2], rule)])
    lives = cluster_life.cluster_life(cluster_life.growth(found.radius, least), 0, rule).life
    return lives.reshape(points.shape[:2]).mean(axis=1)


def rank_p(own, drawn, random):
    """One-sided p, large where the data are; ties are broken evenly by a seeded coin."""
    ties = np.sum(drawn == own)
    return (1 + np.sum(drawn > own) + random.integers(0, ties + 1)) / (len(drawn) + 1)


def p_values(statistic, null, clouds, draws=19, **options):
    random = np.random.default_rng(0)
    result = []
    for seed, points in enumerate(clouds):
        drawn = np.stack(list(null(points, draws, seed, **options)))
        result.append(rank_p(statistic(points[None])[0], statistic(drawn), random))
    return np.array(result)


def most(trials, rate, level=1e-4):
    """The largest count that a true rate exceeds with probability `level` at most."""
    return binom.isf(level, trials, rate)


def test_draws_are_unit_seeded_and_do_not_depend_on_their_number():
    points = cloud(np.random.default_rng(0), 3, 20, 30, 0.5)
    first, again, more, other = (
        np.stack(list(token_rotations(points, draws, seed)))
        for draws, seed in ((4, 1), (4, 1), (9, 1), (4, 2))
    )
    np.testing.assert_allclose(np.linalg.norm(first, axis=-1), 1, atol=1e-6)  # float32
    assert first.tobytes() == again.tobytes() == more[:4].tobytes()
    assert not np.any(first == other)
    assert np.ptp(life(more)) > 0


def test_a_rotation_fixes_the_all_ones_vector_and_keeps_all_covariances_before_projection():
    random = np.random.default_rng(3)
    points = cloud(random, 4, 15, 6, 0.3)
    shared = rotations(points, 0, correction=False)
    frames = haar_frames(400, 15, len(shared.mixing), random)
    np.testing.assert_allclose(frames.sum(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(
        np.swapaxes(frames, 1, 2) @ frames, np.broadcast_to(np.eye(14), (400, 14, 14)), atol=1e-5
    )
    means = frames.mean(axis=0)  # each entry has mean 0 and variance 1 / 15 under the Haar measure
    assert abs(means).max() < 5 / np.sqrt(15 * 400)
    centred = points - points.mean(axis=1, keepdims=True)
    turned = (frames[0] @ shared.mixing).reshape(15, 4, 7).swapaxes(0, 1)[..., :6]
    for one, other in ((0, 0), (1, 3)):  # covariances between depths, up to the axes of each depth
        np.testing.assert_allclose(
            np.linalg.svd(turned[one].T @ turned[other])[1],
            np.linalg.svd(centred[one].T @ centred[other])[1],
            atol=1e-5,
        )


def test_depths_that_are_equal_stay_equal():
    points = np.repeat(cloud(np.random.default_rng(5), 1, 12, 4, 0.5), 3, axis=0)
    for draw in token_rotations(points, 3):
        cosines = draw @ draw.swapaxes(1, 2)
        np.testing.assert_allclose(cosines[1:], cosines[:2], atol=1e-5)


@pytest.mark.parametrize(("tokens", "dim", "power", "length"), [(45, 16, 1.0, 0.0), (45, 128, 0.7, 0.8)])
def test_projected_draws_have_the_mean_and_variances_of_the_data(tokens, dim, power, length):
    random = np.random.default_rng(1)
    points = cloud(random, 1, tokens, dim, power) + length * unit(random.standard_normal(dim))
    points = unit(points)
    data = principal(points)
    variance = np.mean(data.centred[0] ** 2, axis=0)
    off = {}
    for correction in (True, False):
        drawn = np.concatenate(list(token_rotations(points, 300, 0, correction=correction)))
        mean = drawn.mean(axis=(0, 1), dtype=np.float64)
        ratio = drawn.var(axis=1, dtype=np.float64).mean(axis=0)[:4] / variance[:4]
        off[correction] = np.abs(mean - data.means[0]).max(), np.abs(ratio - 1).max()
    # 2,048 samples give factors to about 3 %; without the correction the first axis loses a fifth or more
    assert off[True][0] < 0.01
    assert off[True][1] < 0.06
    assert off[False][1] > 0.1


def uniform_p(p, draws, random):
    """Of the test that p, multiples of 1 / (draws + 1) spread over their steps, are uniform."""
    return kstest(p - random.uniform(0, 1 / (draws + 1), len(p)), "uniform").pvalue


def test_p_is_uniform_on_gaussian_tokens_with_fewer_tokens_than_dimensions():
    """Exact before projection, for any statistic and for tokens that keep part of themselves over depth."""
    random = np.random.default_rng(7)
    p = []
    for _ in range(300):
        still, fresh = random.standard_normal((2, 2, 16, 24)) * np.arange(1.0, 25) ** -0.4
        points = still[:1] + 0.5 * fresh
        shared = rotations(points, 0, correction=False)
        turned = (haar_frames(19, 16, len(shared.mixing), random) @ shared.mixing).reshape(19, 16, 2, -1)
        p.append(rank_p(nearest(points[None])[0], nearest(turned.swapaxes(1, 2)), random))
    assert uniform_p(np.array(p), 19, random) > 1e-3


def test_p_of_the_cluster_life_is_uniform_on_projected_gaussian_tokens():
    random = np.random.default_rng(7)
    clouds = [cloud(random, 2, 24, 40, 0.5) for _ in range(200)]
    p = p_values(life, token_rotations, clouds)
    assert np.mean([life(points[None])[0] > 0 for points in clouds]) > 0.7  # so ties do not make it uniform
    assert uniform_p(p, 19, random) > 1e-3


def test_a_fresh_gaussian_is_the_wrong_null_for_neighbours():
    random = np.random.default_rng(8)
    clouds = [cloud(random, 1, 48, 128, 0.0) for _ in range(25)]
    assert np.mean(p_values(nearest, gaussian_cloud, clouds) <= 0.05) > 0.8
    assert np.sum(p_values(nearest, token_rotations, clouds) <= 0.05) <= most(25, 0.05)


def test_without_the_correction_most_elongated_clouds_look_clustered():
    random = np.random.default_rng(9)
    clouds = [cloud(random, 3, 45, 16, 1.0) for _ in range(60)]
    assert np.sum(p_values(life, token_rotations, clouds) <= 0.05) <= most(60, 0.05)
    raw = p_values(life, token_rotations, clouds, correction=False)
    assert np.mean(raw <= 0.05) > 0.5


def test_gaussian_clouds_have_the_moments_of_a_tight_cloud():
    random = np.random.default_rng(2)
    points = unit(np.array([1.0, 0, 0, 0]) + 0.05 * random.standard_normal((2, 30, 4)))
    drawn = np.stack(list(gaussian_cloud(points, 400)))
    np.testing.assert_allclose(drawn.mean(axis=(0, 2)), points.mean(axis=1), atol=3e-3)
    centred = points - points.mean(axis=1, keepdims=True)
    wanted = np.einsum("lti,ltj->lij", centred, centred) / 30
    apart = drawn - points.mean(axis=1)[:, None]
    have = np.einsum("blti,bltj->lij", apart, apart) / (400 * 30)
    np.testing.assert_allclose(have, wanted, atol=0.1 * wanted.max())  # 12,000 points, and curvature


def test_too_few_tokens_are_an_error():
    with pytest.raises(ValueError, match="needs at least 3 of them, got 2"):
        list(token_rotations(cloud(np.random.default_rng(0), 2, 2, 3, 0), 1))


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


def test_random_operators_keep_the_singular_values_only():
    random = np.random.default_rng(0)
    field = Attention(
        2.0,
        query=random.standard_normal((2, 3, 7)),
        key=random.standard_normal((2, 3, 7)),
        value=random.standard_normal((2, 3, 7)),
        output=random.standard_normal((2, 7, 3)),
    )
    plane = np.eye(7) - 1 / 7

    def products(one):
        return [plane @ np.asarray(out) @ np.asarray(val) @ plane for out, val in zip(one.output, one.value)]

    first, second = random_operators(field, 2, seed=3)
    for own, one, other in zip(products(field), products(first), products(second)):
        for turned in (one, other):
            np.testing.assert_allclose(
                np.linalg.svd(turned)[1], np.linalg.svd(own)[1], atol=1e-12 * float(np.linalg.norm(own))
            )
        assert np.linalg.norm(one - other) > 0.1 * np.linalg.norm(own)
    np.testing.assert_array_equal(first.query, field.query)
    np.testing.assert_array_equal(next(iter(random_operators(field, 1, seed=3))).value, first.value)
