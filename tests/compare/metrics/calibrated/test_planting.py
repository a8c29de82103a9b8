"""Clusters planted in one cloud hold the share of the variance that they should, and all else is as it was."""

import numpy as np
import pytest

from compare.metrics.calibrated.held_out import CLUSTERS, held_out
from compare.metrics.calibrated.planting import with_clusters
from sim.sphere import normalise


def near_a_pole(seed, tokens=60, dim=30, width=0.02):
    """Unit points so close together that the projection to the sphere changes nothing."""
    random = np.random.default_rng(seed)
    spread = width * random.standard_normal((tokens, dim)) * np.arange(1, dim + 1) ** -0.3
    return normalise(np.eye(dim)[0] + spread - spread[:, :1] * np.eye(dim)[0])


def variance(cloud):
    return np.sum((cloud - cloud.mean(axis=0)) ** 2)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_mean_and_variance_stay(share):
    cloud = near_a_pole(1)
    planted = with_clusters(cloud, 5, share, np.random.default_rng(2))
    # the cloud has a radius of 0.08: on the sphere, moments move by its square
    np.testing.assert_allclose(planted.mean(axis=0), cloud.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(variance(planted), variance(cloud), rtol=0.02)
    np.testing.assert_allclose(np.linalg.norm(planted, axis=1), 1, rtol=1e-14)


def test_a_share_of_0_changes_nothing_and_one_of_1_leaves_the_centres():
    cloud = near_a_pole(3)
    np.testing.assert_allclose(with_clusters(cloud, 5, 0.0, np.random.default_rng(4)), cloud, atol=1e-14)
    centres = with_clusters(cloud, 5, 1.0, np.random.default_rng(4))
    places, sizes = np.unique(centres.round(12), axis=0, return_counts=True)
    assert len(places) == 5
    assert sizes.tolist() == [12] * 5
    together = np.tile(np.eye(4)[0], (9, 1))
    np.testing.assert_array_equal(with_clusters(together, 3, 0.5, np.random.default_rng(4)), together)


def test_the_share_is_found_again():
    shares = [
        held_out(with_clusters(near_a_pole(seed, dim=60), 5, 0.5, np.random.default_rng(seed))).share
        for seed in range(12)
    ]
    # the standard error of the mean over 12 clouds is 0.01; Ward and Lloyd find all tokens at this share
    assert abs(np.mean(shares, axis=0)[CLUSTERS.index(5)] - 0.5) < 0.05
