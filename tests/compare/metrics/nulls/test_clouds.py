"""Fresh Gaussian clouds."""

import numpy as np

from compare.metrics.nulls import gaussian_cloud, token_rotations
from tests.helpers.null_ranks import cloud, most, nearest, p_values
from tests.helpers.vectors import unit


def test_a_fresh_gaussian_is_the_wrong_null_for_neighbours():
    random = np.random.default_rng(8)
    clouds = [cloud(random, 1, 48, 128, 0.0) for _ in range(25)]
    assert np.mean(p_values(nearest, gaussian_cloud, clouds) <= 0.05) > 0.8
    assert np.sum(p_values(nearest, token_rotations, clouds) <= 0.05) <= most(25, 0.05)


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
