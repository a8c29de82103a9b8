"""The null of operators: their singular values only."""

import numpy as np

from compare.metrics.nulls import random_operators
from sim.attention import Attention


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
