"""What projection to the sphere changes, and its correction."""

import numpy as np
import pytest

from compare.metrics.nulls import token_rotations
from compare.metrics.nulls.projection import principal
from tests.helpers.null_ranks import cloud, life, most, p_values
from tests.helpers.vectors import unit


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


def test_without_the_correction_most_elongated_clouds_look_clustered():
    random = np.random.default_rng(9)
    clouds = [cloud(random, 3, 45, 16, 1.0) for _ in range(60)]
    assert np.sum(p_values(life, token_rotations, clouds) <= 0.05) <= most(60, 0.05)
    raw = p_values(life, token_rotations, clouds, correction=False)
    assert np.mean(raw <= 0.05) > 0.5
