"""Groups A1 and A2 of the post: cosines and effective ranks, against plain loops and closed forms."""

import numpy as np
import pytest

from compare.metrics.published.cosines import cosine_statistics, effective_ranks, gram
from tests.helpers.clouds import narrowing, published
from tests.helpers.vectors import unit

# Sums of at most a few thousand terms of order 1 in float64, in another order.
ROUNDING = 1e-10


@pytest.fixture(scope="module")
def cloud():
    return narrowing()


@pytest.fixture(scope="module")
def measured(cloud):
    return published(cloud)


def test_gram_holds_the_cosines_of_all_pairs():
    points = unit(np.random.default_rng(1).standard_normal((2, 5, 3)))
    for depth, token, other in np.ndindex(2, 5, 5):
        expected = sum(points[depth, token, k] * points[depth, other, k] for k in range(3))
        assert gram(points)[depth, token, other] == pytest.approx(expected, abs=1e-15)


def test_cosine_statistics_match_a_loop_over_pairs(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        values = [sum(points[i] * points[j]) for i in range(26) for j in range(i + 1, 26)]
        counts = [0] * 50
        for value in values:
            counts[min(int((value + 1) * 25), 49)] += 1
        mean = sum(values) / len(values)
        assert measured["mean_cosine"].values[depth] == pytest.approx(mean, abs=ROUNDING)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        assert measured["sd_cosine"].values[depth] == pytest.approx(spread, abs=ROUNDING)
        share = sum(value > 0.9 for value in values) / len(values)
        assert measured["mass_near_one"].values[depth] == pytest.approx(share, abs=ROUNDING)
        assert measured["cosine_histogram"].values[depth].tolist() == counts
        height = [count / max(counts) for count in counts]
        peaks = sum(
            height[k] > 0.02 and height[k] > height[k - 1] and height[k] > height[k + 1] for k in range(1, 49)
        )
        assert measured["histogram_peaks"].values[depth] == peaks
    assert measured["mass_near_one"].values.max() > 0.1


def test_mass_near_one_is_strict():
    at_threshold = np.array([[[1, 0.9], [0.9, 1]], [[1, np.nextafter(0.9, 1)], [np.nextafter(0.9, 1), 1]]])
    assert cosine_statistics(at_threshold)["mass_near_one"].tolist() == [0, 1]


def test_cosines_beyond_one_by_rounding_stay_in_the_histogram():
    over = np.full((1, 2, 2), np.nextafter(1, 2))
    assert cosine_statistics(over)["cosine_histogram"][0, -1] == 1


def test_effective_rank_of_raw_vectors(cloud, measured):
    for depth, raw in enumerate(cloud):
        singular = [value for value in np.sqrt(np.linalg.eigvalsh(raw.T @ raw)) if value > 1e-10]
        for name, power in (("effective_rank", 1), ("effective_rank_squared", 2)):
            share = np.array(singular) ** power
            share /= share.sum()
            entropy = -sum(p * np.log(p) for p in share)
            assert measured[name].values[depth] == pytest.approx(np.exp(entropy), rel=1e-9)


def test_effective_rank_closed_forms():
    raw = np.stack([np.diag([1.0, 1, 1, 1]), np.diag([3.0, 1, 0, 1e-11]), np.zeros((4, 4))])
    ranks = effective_ranks(raw)
    first = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    squared = np.exp(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    np.testing.assert_allclose(ranks["effective_rank"], [4, first, np.nan], rtol=1e-12)
    np.testing.assert_allclose(ranks["effective_rank_squared"], [4, squared, np.nan], rtol=1e-12)


def test_effective_rank_of_short_vectors():
    """The post's bound of 1e-10 is absolute: of short vectors the shortest directions do not count, or none does."""
    raw = np.stack([np.diag([3e-10, 1.01e-10, 0.99e-10]), np.diag([0.9e-10, 0.5e-10, 0])])
    share = np.array([3, 1.01]) / 4.01
    ranks = effective_ranks(raw)
    np.testing.assert_allclose(
        ranks["effective_rank"], [np.exp(-np.sum(share * np.log(share))), np.nan], rtol=1e-9
    )
    squares = np.array([9, 1.01**2]) / (9 + 1.01**2)
    np.testing.assert_allclose(
        ranks["effective_rank_squared"], [np.exp(-np.sum(squares * np.log(squares))), np.nan], rtol=1e-9
    )


def test_one_long_token_changes_the_squared_rank_far_more():
    """Published demonstration: iid 283, one token x30 gives 225 unsquared and 6.9 squared (n = 300, d = 768)."""
    raw = np.random.default_rng(0).standard_normal((1, 300, 768))
    raw[0, 0] *= 30
    ranks = effective_ranks(raw)
    assert 215 < ranks["effective_rank"][0] < 240
    assert 5 < ranks["effective_rank_squared"][0] < 9
