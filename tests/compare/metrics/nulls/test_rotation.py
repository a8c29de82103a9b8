"""Rotations of tokens: what they keep to rounding, what they lose, and false-alarm rates against binomial bounds."""

import numpy as np
import pytest
from scipy.stats import kstest

from compare.metrics.nulls import token_rotations
from compare.metrics.nulls.rotation import haar_frames, rotations
from tests.helpers.null_ranks import cloud, life, most, nearest, p_values, rank_p
from tests.helpers.vectors import unit


def uniform_p(p, draws, random):
    """Of the test that p, multiples of 1 / (draws + 1) spread over their steps, are uniform."""
    return kstest(p - random.uniform(0, 1 / (draws + 1), len(p)), "uniform").pvalue


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


def test_too_few_tokens_are_an_error():
    with pytest.raises(ValueError, match="needs at least 3 of them, got 2"):
        list(token_rotations(cloud(np.random.default_rng(0), 2, 2, 3, 0), 1))


def gaussian_clouds(points, draws, seed):
    """Tokens drawn afresh at each depth from the sample mean and covariance: the obvious null."""
    centred = points - points.mean(axis=1, keepdims=True)
    depths, tokens, _ = points.shape
    mixing = np.random.default_rng(seed).standard_normal((draws, depths, tokens, tokens)) / np.sqrt(tokens)
    return unit(points.mean(axis=1, keepdims=True) + mixing @ centred)


def test_a_fresh_gaussian_is_the_wrong_null_for_neighbours():
    random = np.random.default_rng(8)
    clouds = [cloud(random, 1, 48, 128, 0.0) for _ in range(25)]
    assert np.mean(p_values(nearest, gaussian_clouds, clouds) <= 0.05) > 0.8
    assert np.sum(p_values(nearest, token_rotations, clouds) <= 0.05) <= most(25, 0.05)
