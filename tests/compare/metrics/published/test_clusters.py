"""Group A of the post against plain loops, direct scikit-learn and SciPy calls, and planted clusters."""

import warnings

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse import csgraph
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, silhouette_score

from compare.metrics.measurement import measure
from compare.metrics.published.clusters import (
    HEIGHTS,
    agglomerative_counts,
    best_kmeans,
    distances,
    hdbscan_labels,
    methods_agree,
    silhouette,
)
from compare.metrics.published.neighbours import cycles, neighbour_structures
from compare.metrics.published.spectra import eigengap, laplacian
from sim.trajectory import Trajectory
from tests.helpers.clouds import narrowing, published
from tests.helpers.vectors import unit

# Sums of at most a few thousand terms of order 1 in float64, in another order.
ROUNDING = 1e-10


def planted(seed=0, clusters=3, each=8, dim=12, spread=0.15):
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((clusters, dim)))
    points = np.repeat(centres, each, axis=0) + spread * rng.standard_normal(
        (clusters * each, dim)
    ) / np.sqrt(dim)
    return unit(points), np.repeat(np.arange(clusters), each)


@pytest.fixture(scope="module")
def cloud():
    return narrowing()


@pytest.fixture(scope="module")
def measured(cloud):
    return published(cloud)


def apart(points):
    distance = np.clip(1 - points @ points.T, 0, None)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    return distance


def test_hdbscan_is_scikit_learns(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        for name, noise, samples in (
            ("hdbscan_clusters", "hdbscan_noise", None),
            ("hdbscan_package_clusters", "hdbscan_package_noise", 3),
        ):
            model = HDBSCAN(
                min_cluster_size=2,
                min_samples=samples,
                metric="precomputed",
                copy=True,  # pyright: ignore[reportArgumentType]
            )
            labels = model.fit_predict(apart(points))
            assert measured[name].values[depth] == len(set(labels) - {-1})
            assert measured[noise].values[depth] == np.sum(labels == -1)
            if samples is None:
                assert measured["hdbscan_labels"].values[depth].tolist() == labels.tolist()


def test_min_samples_two_counts_the_point_itself():
    """With the point counted, min_samples 2 leaves distances as they are: the hierarchy is single linkage.

    On 3 pairs, each pair then is a cluster. Counting without the point (the hdbscan package) needs a third point.
    """
    angles = np.array([0, 0.01, 1.5, 1.52, 3.1, 3.13])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    near = distances(points @ points.T)
    assert adjusted_rand_score([0, 0, 1, 1, 2, 2], hdbscan_labels(near, 2)) == 1
    assert len(set(hdbscan_labels(near, 3)) - {-1}) < 3


@pytest.mark.parametrize("seed", range(4))
def test_hdbscan_finds_clusters_in_noise(seed):
    """The trap: 26 to 32 clusters on 120 independent Gaussian points in 768 dimensions."""
    points = unit(np.random.default_rng(seed).standard_normal((120, 768)))
    near = distances(points @ points.T)
    assert 20 <= len(set(hdbscan_labels(near, 2)) - {-1}) <= 40
    assert 2 <= len(set(hdbscan_labels(near, 3)) - {-1}) < 20


def package_counts(points, orders):
    """Clusters of HDBSCAN as the hdbscan package reads its settings, of the points in each of the orders."""
    model = HDBSCAN(
        min_cluster_size=2,
        min_samples=3,
        metric="precomputed",
        copy=True,  # pyright: ignore[reportArgumentType]
    )
    return [len(set(model.fit_predict(apart(points[order]))) - {-1}) for order in orders]


def test_ties_make_the_count_a_matter_of_token_order():
    """The trap: the same points in another order, and another number of clusters."""
    clouds = unit(np.random.default_rng(0).standard_normal((2, 120, 40)))
    found = published(clouds)
    random = np.random.default_rng(42)
    orders = [np.arange(120), *(random.permutation(120) for _ in range(4))]
    counts = [package_counts(cloud, orders) for cloud in clouds]
    first = [each[0] for each in counts]
    assert found["hdbscan_package_clusters"].values.tolist() == first
    most = counts[int(np.argmax(first))]
    assert found["hdbscan_package_fewest"].item() == min(most)
    assert found["hdbscan_package_most"].item() == max(most)
    assert max(most) > min(most) + 1


def test_separate_clusters_are_counted_alike_in_every_order():
    points, labels = planted(each=12, spread=0.05)
    found = published(points[None])
    clusters = len(set(labels))
    assert found["hdbscan_package_fewest"].item() == found["hdbscan_package_most"].item() == clusters
    others = [np.random.default_rng(seed).permutation(len(points)) for seed in range(20)]
    assert set(package_counts(points, others)) == {clusters}


def test_agglomerative_counts_are_scikit_learns(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        for height, count in zip(
            np.linspace(0.05, 0.6, 12), measured["agglomerative_clusters"].values[depth]
        ):
            model = AgglomerativeClustering(
                n_clusters=None,  # pyright: ignore[reportArgumentType]
                distance_threshold=float(height),
                linkage="average",
                metric="precomputed",
            )
            assert count == model.fit(apart(points)).n_clusters_


def test_merger_at_the_height_is_not_made():
    near = np.array([[0, HEIGHTS[3]], [HEIGHTS[3], 0]])
    assert agglomerative_counts(near).tolist() == [2] * 4 + [1] * 8


def test_kmeans_is_scikit_learns(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        best, best_score, best_labels = 1, -1.0, np.zeros(26)
        for k in range(2, 10):
            model = KMeans(n_clusters=k, n_init=3, random_state=42)  # pyright: ignore[reportArgumentType]
            labels = model.fit_predict(points)
            score = silhouette_score(points, labels, metric="cosine")
            if score > best_score:
                best, best_score, best_labels = k, score, labels
        assert measured["kmeans_clusters"].values[depth] == best
        assert measured["kmeans_silhouette"].values[depth] == pytest.approx(best_score, abs=ROUNDING)
        assert measured["kmeans_labels"].values[depth].tolist() == best_labels.tolist()


def test_silhouette_with_a_cluster_of_one():
    points, _ = planted(seed=5)
    labels = np.array([0] * 8 + [1] * 8 + [2] * 7 + [3])
    expected = silhouette_score(apart(points), labels, metric="precomputed")
    assert silhouette(apart(points), labels) == pytest.approx(expected, abs=ROUNDING)


def test_kmeans_with_fewer_distinct_points_than_means():
    points = np.repeat(np.eye(3), 4, axis=0)
    k, score, labels = best_kmeans(points, apart(points))
    assert (k, score) == (3, 1.0)
    assert adjusted_rand_score(np.repeat(np.arange(3), 4), labels) == 1
    same = np.repeat(np.eye(3)[:1], 12, axis=0)
    k, score, labels = best_kmeans(same, apart(same))
    assert k == 1
    assert np.isnan(score)
    assert not labels.any()


def test_kmeans_silences_only_its_own_warning():
    points = np.repeat(np.eye(3), 4, axis=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        best_kmeans(points, apart(points))
        warnings.warn("heard", ConvergenceWarning, stacklevel=1)
    assert [str(each.message) for each in caught] == ["heard"]


def spectral_oracle(points):
    weights = np.clip(points @ points.T, 0, None)
    np.fill_diagonal(weights, 1)
    values, vectors = eigh(csgraph.laplacian(weights, normed=True))
    gaps = [values[j + 1] - values[j] for j in range(min(16, len(points) - 1) - 1)]
    tail = sorted(gaps[1:])
    second = int(np.argmax(gaps[1:])) + 2 if tail[-1] / (tail[-2] + 1e-10) >= 1.1 else 1
    return int(np.argmax(gaps)) + 1, second, np.where(vectors[:, 1] < 0, -1, 1)


def test_eigengap_matches_scipys_laplacian(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        first, second, side = spectral_oracle(points)
        assert measured["spectral_clusters"].values[depth] == first
        assert measured["spectral_second_gap"].values[depth] == second
        found = measured["fiedler_bipartition"].values[depth]
        assert found.tolist() in (side.tolist(), (-side).tolist())


def test_laplacian_of_isolated_tokens():
    weights = np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]])
    off = weights - np.diag(np.diag(weights))
    np.testing.assert_allclose(laplacian(weights), csgraph.laplacian(off, normed=True), atol=1e-15)


def test_eigengap_finds_orthogonal_clusters():
    points = np.repeat(np.eye(4), 5, axis=0)
    assert eigengap(points @ points.T)[0] == 4


def test_second_gap_needs_a_clear_largest_gap():
    assert eigengap(np.ones((6, 6)))[1] == 1
    points, _ = planted(clusters=2, each=10, spread=0.3)
    assert eigengap(np.clip(points @ points.T, 0.2, None))[1] == 2


def test_principal_components_are_scikit_learns(cloud, measured):
    for depth, points in enumerate(unit(cloud)):
        model = PCA(n_components=3).fit(points)
        np.testing.assert_allclose(
            measured["principal_variance"].values[depth], model.explained_variance_ratio_, atol=ROUNDING
        )
        coordinates = measured["principal_coordinates"].values[depth]
        np.testing.assert_allclose(np.abs(coordinates), np.abs(model.transform(points)), atol=1e-8)
        assert all(column[np.argmax(np.abs(column))] > 0 for column in coordinates.T)


def walk_cycles(successor):
    found = set()
    for start in range(len(successor)):
        seen = []
        at = start
        while at not in seen:
            seen.append(at)
            at = int(successor[at])
        found.add(frozenset(seen[seen.index(at) :]))
    return found


def test_neighbours_pairs_and_cycles_match_loops(cloud, measured):
    names = measured["token_name"].values
    for depth, points in enumerate(unit(cloud)):
        nearest = [
            max((j for j in range(26) if j != i), key=lambda j: points[i] @ points[j]) for i in range(26)
        ]
        assert measured["nearest_neighbour"].values[depth].tolist() == nearest
        rings = walk_cycles(nearest)
        assert measured["neighbour_cycles"].values[depth] == len(rings)
        semantic = sum(len({names[i] for i in ring}) >= 2 for ring in rings)
        assert measured["semantic_cycles"].values[depth] == semantic
        labels = measured["hdbscan_labels"].values[depth]
        kinds = {"same": 0, "different": 0, "noise": 0}
        for i in range(26):
            j = nearest[i]
            if i < j and nearest[j] == i:
                noise = labels[i] == -1 or labels[j] == -1
                kinds["noise" if noise else "same" if labels[i] == labels[j] else "different"] += 1
        assert measured["semantic_pairs"].values[depth] == kinds["same"]
        assert measured["artifact_pairs"].values[depth] == kinds["different"]
        assert measured["noise_pairs"].values[depth] == kinds["noise"]
        assert measured["mutual_pairs"].values[depth] == sum(kinds.values())
        assert measured["artifact_fraction"].values[depth] == kinds["different"] / sum(kinds.values())


def test_cycles_of_random_maps():
    rng = np.random.default_rng(1)
    for n in (2, 3, 17, 64):
        successor = (np.arange(n) + rng.integers(1, n, size=n)) % n
        found = cycles(successor)
        assert {frozenset(ring) for ring in found} == walk_cycles(successor)
        assert [ring[0] for ring in found] == sorted(min(ring) for ring in found)


def test_cycles_of_identical_names_are_not_semantic():
    points = unit(np.array([[1, 0.0], [1, 0.1], [0, 1], [0.1, 1]]))
    found = neighbour_structures(
        (points @ points.T)[None], np.array([[0, 0, 1, -1]]), np.array([1]), ["the", "the", "cat", "dog"]
    )
    assert (found["neighbour_cycles"][0], found["semantic_cycles"][0]) == (2, 1)
    assert (found["semantic_pairs"][0], found["artifact_pairs"][0], found["noise_pairs"][0]) == (1, 0, 1)


def test_nesting_needs_a_cluster_of_four_that_splits():
    inner = np.repeat(np.eye(4), 3, axis=0)
    cosines = (inner @ inner.T)[None]
    names = [str(token) for token in range(12)]
    pairs = np.repeat([0, 1], 6)[None]
    split = neighbour_structures(cosines, pairs, np.array([3]), names)
    assert (split["nested_clusters"][0], split["nested"][0]) == (2, True)
    assert not neighbour_structures(cosines, pairs, np.array([4]), names)["nested"][0]
    small = np.repeat(np.arange(4), 3)[None]
    assert neighbour_structures(cosines, small, np.array([3]), names)["nested_clusters"][0] == 0


def test_methods_agree_by_hand():
    agglomerative = np.full((5, 12), 99)
    agglomerative[:, 6] = [2, 2, 2, 2, 4]
    agreement = methods_agree(
        agglomerative,
        spectral=np.array([1, 1, 1, 1, 4]),
        kmeans=np.array([7, 7, 7, 2, 5]),
        score=np.array([0.09, 0.5, 0.5, 0.1, 0.1]),
        rank=np.array([20.0, 9.9, 10, 10, 20]),
        sinkhorn=np.array([np.nan, 1.4, 1.4, 0.4, 2.4]),
    )
    assert agreement.tolist() == [True, True, False, True, False]


def test_planted_clusters_are_found_by_every_partition():
    points, truth = planted(clusters=4, each=10)
    found = measure(Trajectory(points=points[None], depth=np.zeros(1)), "published")
    for name in ("hdbscan_labels", "kmeans_labels"):
        assert adjusted_rand_score(truth, found[name].values[0]) == 1
    assert found["hdbscan_package_clusters"].item() == 4
    assert found["agglomerative_clusters"].sel(height=0.35, method="nearest").item() == 4
    assert found["hdbscan_noise"].item() == 0
