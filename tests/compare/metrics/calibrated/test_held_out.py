"""Held-out margins against plain loops, under rotation and permutation, and on clouds that anyone can judge."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import average, fcluster, ward
from scipy.spatial.distance import pdist
from scipy.stats import special_ortho_group
from sklearn.metrics import cohen_kappa_score

from compare.metrics.calibrated.held_out import CLUSTERS, blurred, held_out, held_out_of_run, read_depths
from compare.metrics.calibrated.partitions import FOLDS, cuts, dealt
from compare.metrics.calibrated.whitening import POWERS, SHRINKAGE, held_out_of_group, whitened
from sim.sphere import normalise
from tests.helpers.clouds import groups, measured

ROUNDING = 1e-9  # of sums of a hundred products; a token that changed its cluster would move all by 1e-2


def cloud(*seed, tokens=40, dim=9, clusters=4, width=0.35):
    """Soft groups round orthogonal centres."""
    return groups(np.random.default_rng(seed), tokens, dim, clusters, width)[0]


def rotation(dim, seed):
    return special_ortho_group.rvs(dim, random_state=seed)


def lloyd(points, found, count):
    """Labels after three steps, and a dictionary of the clusters that are left."""
    for _ in range(3):
        centres = {c: points[found == c].mean(axis=0) for c in range(1, count + 1) if np.any(found == c)}
        found = np.array([min(centres, key=lambda c: np.sum((x - centres[c]) ** 2)) for x in points])
    return found, {c: points[found == c] for c in set(found.tolist())}


def by_loops(points, count, fold):
    """V, kappa and the share between, one token at a time, from points instead of inner products."""
    points = points - points.mean(axis=0)
    whole, clusters = lloyd(points, fcluster(ward(pdist(points)), count, "maxclust"), count)
    margins, labels, names = [], [], []
    for token, x in enumerate(points):
        known = fold != fold[token]
        inside, parts = lloyd(points[known], fcluster(ward(pdist(points[known])), count, "maxclust"), count)
        away = {}
        for number, members in parts.items():
            if len(members) >= 3:
                centre = members.mean(axis=0)
                within = np.sum((members - centre) ** 2) / (len(members) - 1)
                away[number] = np.sum((x - centre) ** 2) - within / len(members)
        first, second = sorted(away, key=away.__getitem__)[:2]
        between = parts[first].mean(axis=0) - parts[second].mean(axis=0)
        margins.append((away[second] - away[first]) / np.sum(between**2))
        labels.append(whole[token])
        shared = {
            name: (np.sum((inside == first) & (whole[known] == name)), -np.sum(whole == name))
            for name in range(1, count + 1)
        }
        names.append(max(shared, key=shared.__getitem__))
    margins, labels = np.array(margins), np.array(labels)
    signs = -np.cos(np.pi * margins / margins.mean())
    most = max(range(1, count + 1), key=lambda name: signs[labels == name].sum())
    rest = margins[labels != most]
    between = sum(len(each) * np.sum(each.mean(axis=0) ** 2) for each in clusters.values()) / np.sum(
        points**2
    )
    chance = (len(clusters) - 1) / (len(points) - 1)
    gap = np.mean(-np.cos(np.pi * rest / rest.mean()))
    return gap, cohen_kappa_score(labels, names), (between - chance) / (1 - chance)


@pytest.mark.parametrize("width", [0.2, 0.5, 1.0])
def test_plain_loops_give_the_same(width):
    points = cloud(1, width=width)
    centred = points - points.mean(axis=0)
    found, fold = held_out(points), dealt(centred @ centred.T)
    for place, count in enumerate(CLUSTERS[:5]):
        expected = by_loops(points, count, fold)
        np.testing.assert_allclose([part[place] for part in found], expected, atol=ROUNDING)


def test_cuts_are_those_of_scipy():
    tree = ward(pdist(cloud(2)))
    for count, labels in zip(CLUSTERS, cuts(tree, np.array(CLUSTERS))):
        expected = fcluster(tree, count, "maxclust")
        assert (
            len({*zip(labels, expected)}) == len({*labels}) == count
        )  # the same partition under other names


def test_folds_keep_near_duplicates_together_and_have_like_sizes_and_radii():
    points = cloud(3, tokens=57, width=1.0)
    points[40:] = points[:17] + 1e-3 * cloud(4, tokens=17)
    centred = points - points.mean(axis=0)
    fold = dealt(centred @ centred.T)
    np.testing.assert_array_equal(fold[40:], fold[:17])
    sizes = np.bincount(fold, minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 2
    tree = average(pdist(points))
    near = (tree[:, :2] < 57).all(axis=1) & (tree[:, 2] <= 0.5 * np.median(pdist(points)))
    assert {frozenset(pair) for pair in tree[near, :2].astype(int).tolist()} >= {
        frozenset((token, 40 + token)) for token in range(17)
    }


def test_rotation_scale_and_the_order_of_tokens_do_not_matter():
    points = cloud(5, width=0.6)
    order = np.random.default_rng(6).permutation(len(points))
    for moved in (points @ rotation(9, 7), 100 * points + 5, points[order]):
        for part, again in zip(held_out(points), held_out(moved)):
            np.testing.assert_allclose(again, part, atol=ROUNDING)


def test_clusters_have_a_gap_and_continua_have_none():
    clustered = held_out(cloud(8, tokens=60, clusters=5, width=0.1))
    five = CLUSTERS.index(5)
    assert clustered.gap[five] > 0.8
    assert clustered.agreement[five] > 0.99
    random = np.random.default_rng(9)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.02 * random.standard_normal((60, 2))
    curve = np.stack([np.cos(angle / 3), np.sin(2 * angle / 3), angle / 5], axis=1)
    gaussian = random.standard_normal((60, 16)) * np.arange(1, 17) ** -0.5
    for continuum in (ring, curve + 0.05 * random.standard_normal((60, 3)), gaussian):
        found = held_out(continuum)
        # V of one cloud of 60 tokens has a standard deviation of 0.1; that of the clusters above is over 0.8
        assert np.all((found.gap < 0.3) | (found.agreement < 0.65))


def test_the_share_of_the_variance_is_that_between_the_groups():
    """Exact for groups that are found, as in the analysis of variance; at random it is 0 on average."""
    points, labels = groups(np.random.default_rng(10), 60, 12, 4, 0.1)
    centred = points - points.mean(axis=0)
    means = np.array([centred[labels == label].mean(axis=0) for label in labels])
    between = np.sum(means**2) / np.sum(centred**2)
    expected = (between - 3 / 59) / (1 - 3 / 59)
    np.testing.assert_allclose(held_out(points).share[CLUSTERS.index(4)], expected, atol=ROUNDING)


def test_too_few_tokens_have_no_numbers_and_coincident_ones_no_gap():
    found = held_out(cloud(11, tokens=20))
    asked = np.array(CLUSTERS) <= 20 / 3
    for part in found:
        np.testing.assert_array_equal(np.isfinite(part), asked)
    assert np.isnan(held_out(cloud(11, tokens=2, clusters=2)).gap).all()
    together = held_out(np.ones((30, 3)))
    assert [part[0] for part in together] == [0, 0, 0]


def test_half_precision_leaves_no_clusters_where_all_tokens_have_met():
    points = normalise(np.array([1.0, 2.0, 3.0]) + 1e-4 * cloud(12, tokens=60, dim=3, clusters=3, width=0.1))
    assert held_out(points).gap[0] > 0.5
    assert held_out(blurred(points, 0, 0)).gap[0] < 0.3


def test_a_run_is_read_at_three_depths():
    assert [read_depths(depths) for depths in (13, 7, 1)] == [(0, 10, 12), (0, 5, 6), (0, 0, 0)]
    random = np.random.default_rng(13)
    points = normalise(random.standard_normal((7, 40, 5)))
    found, table = held_out_of_run(points), measured(points, draws=2)
    np.testing.assert_array_equal(table["held_out_gap"], found.gap)
    np.testing.assert_array_equal(table["share_between"], found.share)
    assert table["held_out_depth"].values.tolist() == [0, 5, 6]
    assert table["clusters"].values.tolist() == [*CLUSTERS]
    np.testing.assert_array_equal(held_out(blurred(points[5], 0, 5)).gap, found.gap[1])


def test_a_cloud_is_whitened_by_the_others():
    random = np.random.default_rng(14)
    clouds = [random.standard_normal((tokens, 3)) * [1.0, 2.0, 5.0] for tokens in (500, 700, 600)]
    others = np.concatenate([each - each.mean(axis=0) for each in clouds[1:]])
    covariance = others.T @ others / len(others)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 3 * np.eye(3)
    half, full = next(iter(whitened(clouds, POWERS)))
    centred = clouds[0] - clouds[0].mean(axis=0)
    assert POWERS == (0.5, 1.0)
    np.testing.assert_allclose(full @ full.T, centred @ np.linalg.solve(shrunk, centred.T), atol=ROUNDING)
    np.testing.assert_allclose(
        np.linalg.det(half.T @ half) ** 2, np.linalg.det(full.T @ full) * np.linalg.det(centred.T @ centred)
    )


def test_whitening_finds_clusters_under_a_wide_spread():
    """Six runs whose clusters, of other centres in each, lie across an axis along which all tokens spread."""
    runs = []
    for seed in range(6):
        points = cloud(15, seed, tokens=48, dim=12, clusters=4, width=0.1) @ rotation(12, seed)
        wide = 2 * np.random.default_rng((16, seed)).standard_normal(48)[:, None] * np.eye(12)[0]
        runs.append(normalise(points + wide + 8 * np.eye(12)[1])[None])
    four = CLUSTERS.index(4)
    plain = np.mean([held_out_of_run(run).gap[-1, four] for run in runs])
    found = held_out_of_group(runs)
    assert found.gap.shape == (6, 2, 3, len(CLUSTERS))
    assert plain < 0.1 < 0.4 < found.gap[:, 1, -1, four].mean()


def test_one_run_cannot_be_whitened():
    with pytest.raises(ValueError, match="give two or more"):
        held_out_of_group([np.ones((3, 9, 2))])
