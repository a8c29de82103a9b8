"""Group B of the post against plain loops, label sequences made by hand, and its known traps."""

from itertools import permutations

import numpy as np
import pytest

from compare.metrics.published.persistence import (
    TOLERANCES,
    largest_drop,
    linear_cka,
    neighbour_stability,
    plateau_marks,
    plateau_signals,
    plateaus,
    transitions,
)
from compare.metrics.published.tracks import cluster_tracks, jaccard, match
from tests.helpers.vectors import unit

# Sums of at most a few hundred terms of order 1 in float64, in another order.
ROUNDING = 1e-10


@pytest.fixture(scope="module")
def drift():
    rng = np.random.default_rng(7)
    return unit(np.cumsum(rng.standard_normal((9, 14, 5)) * np.linspace(1, 0.05, 9)[:, None, None], axis=0))


def test_cka_matches_the_feature_space_formula(drift):
    found = linear_cka(drift, np.full(9, 5.0))
    assert np.isnan(found[0])
    for depth in range(1, 9):
        here, before = (drift[at] - drift[at].mean(axis=0) for at in (depth, depth - 1))
        numerator = sum((before[:, a] @ here[:, b]) ** 2 for a in range(5) for b in range(5))
        denominator = np.sqrt(np.sum((here.T @ here) ** 2)) * np.sqrt(np.sum((before.T @ before) ** 2))
        assert found[depth] == pytest.approx(numerator / denominator, abs=ROUNDING)


def test_cka_is_blind_to_rotations_and_shifts_and_gated_by_rank(drift):
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    points = np.stack([drift[0], drift[0] @ rotation, drift[0] @ rotation + 1, drift[1], np.zeros((14, 5))])
    found = linear_cka(points, np.array([5, 5, 5, 2.999, 5.0]))
    # Equal up to rounding of a quotient of sums of squares.
    np.testing.assert_allclose(found[1:3], 1, atol=1e-12)
    assert np.isnan(found[3:]).all()


def test_cka_of_unrelated_clouds_is_high_when_tokens_are_few():
    """The biased estimator: 20 independent points against 20 others in 768 dimensions, nothing in common."""
    points = unit(np.random.default_rng(0).standard_normal((2, 20, 768)))
    assert linear_cka(points, np.full(2, 20.0))[1] > 0.9


def test_neighbour_stability_matches_a_loop():
    neighbour = np.random.default_rng(2).integers(0, 4, size=(6, 30))
    found = neighbour_stability(neighbour)
    assert np.isnan(found[0])
    for depth in range(1, 6):
        same = sum(neighbour[depth, i] == neighbour[depth - 1, i] for i in range(30))
        assert found[depth] == pytest.approx(same / 30, abs=ROUNDING)
    assert np.isnan(neighbour_stability(np.full((3, 1), -1))).all()


def flat(values, tolerance):
    return (max(values) - min(values)) / (abs(sum(values) / len(values)) + 1e-8) < tolerance


def scan(values, tolerance):
    """All flat windows by brute force; then the leftmost start and, from it, growth while every prefix is flat."""
    found, start = [], 0
    while True:
        starts = [at for at in range(start, len(values) - 2) if flat(values[at : at + 3], tolerance)]
        if not starts:
            return found
        first = starts[0]
        ends = range(first + 3, len(values) + 1)
        last = next((end - 1 for end in ends if not flat(values[first:end], tolerance)), len(values))
        found.append((first, last - 1, sum(values[first:last]) / (last - first)))
        start = last


@pytest.mark.parametrize("tolerance", [0.02, 0.1, 0.5])
def test_plateaus_match_a_brute_force_scan(tolerance):
    rng = np.random.default_rng(11)
    seen = 0
    for _ in range(20):
        values = (3 + np.cumsum(rng.standard_normal(40) * rng.choice([0.003, 0.1, 0.5], 40))).tolist()
        found, expected = plateaus(values, tolerance), scan(values, tolerance)
        seen += len(found)
        assert [run[:2] for run in found] == [run[:2] for run in expected]
        np.testing.assert_allclose([run.mean for run in found], [run[2] for run in expected], rtol=1e-12)
    assert seen > 10


def test_plateaus_by_hand():
    assert plateaus([1, 1], 0.1) == []
    assert plateaus([1, 1, 1], 0.1) == [(0, 2, 1.0)]
    assert plateaus([9, 1, 1, 1, 1, 5, 5, 5], 0.1) == [(1, 4, 1.0), (5, 7, 5.0)]
    assert plateaus([1, 1, np.nan, 1, 1], 0.1) == []
    exactly = (1.5 - 1) / (3.5 / 3 + 1e-8)
    assert plateaus([1, 1, 1.5], exactly) == []
    assert plateaus([1, 1, 1.5], np.nextafter(exactly, 1)) == [(0, 2, 3.5 / 3)]
    assert plateaus([1, 1, 1], 0.0) == []


def test_plateaus_fire_where_there_are_none():
    """The trap: zeros, a floor with 1 % noise, white integers and random walks have plateaus; a sigmoid has two."""
    mass, count = TOLERANCES["mass_near_one"], TOLERANCES["hdbscan_clusters"]
    rng = np.random.default_rng(0)
    assert plateaus(np.zeros(25), mass) == [(0, 24, 0.0)]
    assert plateaus(0.0148 * (1 + 0.01 * rng.uniform(-1, 1, 25)), mass)[0][:2] == (0, 24)
    assert len(plateaus(1 / (1 + np.exp(-np.linspace(-20, 20, 25))) + 0.05, mass)) == 2
    integers = [plateaus(rng.integers(30, 45, 25), count) for _ in range(50)]
    assert all(len(found) == 1 and found[0][:2] == (0, 24) for found in integers)
    walks = [plateaus(0.5 + np.cumsum(0.02 * rng.standard_normal(25)), mass) for _ in range(100)]
    assert sum(bool(found) for found in walks) >= 95


def test_marks_skip_unused_depths():
    signal = np.array([7.0, 1, 50, 1, 1, 3, 3, 3])
    used = np.array([True, True, False, True, True, True, True, True])
    assert plateau_marks(signal, used, 0.1).tolist() == [0, 1, 0, 1, 1, 2, 2, 2]


def measured_signals(depths, **changes):
    constant = {
        "mass_near_one": np.arange(depths) * 1.0,
        "effective_rank": np.arange(depths) * 1.0 + 1,
        "spectral_clusters": 2 ** np.arange(depths),
        "hdbscan_clusters": 2 ** np.arange(depths),
        "mean_cosine": np.linspace(0, 0.5, depths),
        "nearest_neighbour": np.arange(depths)[:, None] % 2 + np.zeros((depths, 4), int),
    }
    return constant | changes


def test_votes_and_the_shared_plateau():
    points = unit(np.random.default_rng(0).standard_normal((8, 4, 3)))
    depth = np.arange(8) * 10.0
    flat_after_four = np.array([1.0, 2, 4, 8, 16, 16, 16, 64])
    found = transitions(
        points,
        measured_signals(8, mass_near_one=flat_after_four, spectral_clusters=flat_after_four.astype(int)),
        depth,
    )
    assert found["plateau_votes"].tolist() == [0, 0, 0, 0, 2, 2, 2, 0]
    assert found["multi_signal_plateau"]
    assert found["mass_plateau_onset"] == 40
    wide = np.array([1, 1, 1, 1, 8, 16, 32, 64])
    found = transitions(points, measured_signals(8, mass_near_one=wide * 1.0, spectral_clusters=wide), depth)
    assert found["plateau_votes"].tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    assert not found["multi_signal_plateau"]  # half of the run is too much
    assert np.isnan(transitions(points, measured_signals(8), depth)["mass_plateau_onset"])


def test_stable_neighbours_have_a_plateau_but_no_vote():
    points = unit(np.random.default_rng(0).standard_normal((8, 4, 3)))
    measured = measured_signals(8, nearest_neighbour=np.tile([1, 0, 3, 2], (8, 1)))
    found = transitions(points, measured, np.arange(8.0))
    row = plateau_signals(measured).index("nn_stability")
    # The first depth has no stability, and effective_rank is 1 there, 2 from the next on.
    assert found["plateau"][row].tolist() == [0] + [1] * 7
    assert not found["plateau_votes"].any()


def test_transitions_are_marked_at_the_later_depth():
    points = unit(np.random.default_rng(0).standard_normal((4, 4, 3)))
    measured = measured_signals(
        4,
        spectral_clusters=np.array([3, 3, 2, 2]),
        mean_cosine=np.array([0.5, 0.44, 0.4, 0.3]),
        effective_rank=np.array([10.0, 15.1, 21, 26]),
    )
    found = transitions(points, measured, np.arange(4.0))
    assert found["spectral_merge"].tolist() == [False, False, True, False]
    assert found["reset_event"].tolist() == [False, True, False, False]


def test_largest_drop_skips_undefined_depths():
    assert largest_drop(np.array([np.nan, 0.9, np.nan, 0.7, 0.8])) == pytest.approx(0.2)
    assert np.isnan(largest_drop(np.array([np.nan, 0.9, np.nan])))


def random_labels(rng, n=16, clusters=4):
    labels = rng.integers(-1, clusters, size=n)
    names = np.unique(labels[labels >= 0])
    return np.where(labels >= 0, np.searchsorted(names, labels), -1)


def overlaps(before, after):
    old, new = sorted(set(before) - {-1}), sorted(set(after) - {-1})
    table = np.zeros((len(old), len(new)))
    for a in old:
        for b in new:
            left, right = {i for i in range(16) if before[i] == a}, {i for i in range(16) if after[i] == b}
            table[a, b] = len(left & right) / len(left | right)
    return table


def test_matching_is_the_best_of_all_assignments():
    rng = np.random.default_rng(5)
    for _ in range(40):
        before, after = random_labels(rng), random_labels(rng)
        table = overlaps(before, after)
        np.testing.assert_allclose(jaccard(before, after), table, atol=1e-15)
        size = max(table.shape)
        square = np.zeros((size, size))
        square[: table.shape[0], : table.shape[1]] = table
        best = max(sum(square[i, order[i]] for i in range(size)) for order in permutations(range(size)))
        found = match(before, after)
        below = sum(
            1 for a in range(len(table)) if a not in found.matches for b in found.births if table[a, b] >= 0.1
        )
        total = sum(table[pair] for pair in found.matches.items())
        assert all(table[pair] >= 0.1 for pair in found.matches.items())
        assert best - 0.1 * size < total <= best + ROUNDING
        assert below == 0  # an optimal assignment leaves no acceptable pair unmatched on both sides
        assert set(found.matches) | set(found.deaths) | set(found.absorbed) == set(range(table.shape[0]))
        assert set(found.matches.values()) | set(found.births) == set(range(table.shape[1]))
        for name, target in found.absorbed.items():
            assert table[name].max() == table[name, target] >= 0.1
            assert target in found.matches.values()
        for name in found.deaths:
            assert table[name].max() < 0.1


def test_tracks_of_a_merge_a_birth_a_death_and_a_split():
    labels = np.array(
        [
            [0, 0, 0, 1, 1, 2, 2, -1, -1, -1],
            [0, 0, 0, 0, 0, -1, -1, 1, 1, -1],  # 1 goes into 0, 2 dies, a cluster is born
            [0, 0, 0, 2, 2, -1, -1, 1, 1, -1],  # 0 splits: the larger part goes on, the smaller is a birth
        ]
    )
    found = cluster_tracks(labels)
    np.testing.assert_array_equal(found["cluster_births"], [np.nan, 1, 1])
    np.testing.assert_array_equal(found["cluster_deaths"], [np.nan, 1, 0])
    np.testing.assert_array_equal(found["cluster_merges"], [np.nan, 1, 0])
    np.testing.assert_array_equal(found["clusters_absorbed"], [np.nan, 1, 0])
    assert found["cluster_track"].tolist() == [
        [0, 0, 0, 1, 1, 2, 2, -1, -1, -1],
        [0, 0, 0, 0, 0, -1, -1, 3, 3, -1],
        [0, 0, 0, 4, 4, -1, -1, 3, 3, -1],
    ]
    assert found["tracks"] == 5
    assert found["max_lifespan"] == 3
    assert found["mean_lifespan"] == pytest.approx((3 + 1 + 1 + 2 + 1) / 5)


def test_two_clusters_absorbed_by_one_are_one_merge():
    labels = np.array([[0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0, 0]])
    found = cluster_tracks(labels)
    assert found["cluster_merges"][1] == 1
    assert found["clusters_absorbed"][1] == 2


def test_tracks_of_pure_noise():
    found = cluster_tracks(np.full((3, 5), -1))
    assert (found["tracks"], found["max_lifespan"]) == (0, 0)
    assert np.isnan(found["mean_lifespan"])
    np.testing.assert_array_equal(found["cluster_births"], [np.nan, 0, 0])
