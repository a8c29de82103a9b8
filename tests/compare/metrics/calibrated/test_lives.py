"""Cluster lives, partitions and plateaus against slow oracles and by hand."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from sklearn.metrics import adjusted_rand_score

from compare.metrics.calibrated import cluster_life as life
from compare.metrics.calibrated.plateaus import Course, PlateauRule, adjusted_rand, plateaus, together
from tests.helpers.clouds import groups
from tests.helpers.vectors import unit

NONE = (-1, -1, -1, -1)
STILL = np.zeros(9)


def slow_life(points, rule):
    """W by the words of its definition: distances, a spanning tree of SciPy, components at every radius between two."""
    n = len(points)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    core = np.sort(apart, axis=1)[:, rule.neighbour]
    reach = np.maximum(apart, np.maximum(core[:, None], core))
    np.fill_diagonal(reach, 0)
    radii = np.sort(minimum_spanning_tree(reach).data)
    total, longest, cut, onset = 0.0, 0.0, None, np.nan
    for low, high in pairwise(radii):
        sizes = np.bincount(connected_components(reach <= low * (1 + 1e-12))[1])
        effective = 1 / np.sum((sizes / n) ** 2)
        counted = sizes[sizes >= max(3, rule.component * n)]
        if counted.sum() < rule.coverage * n:
            continue
        if np.isnan(onset):
            onset = np.log(max(low, rule.floor))
        if rule.fewest <= effective <= rule.most * n and len(counted) >= 2:
            length = np.log(max(high, rule.floor)) - np.log(max(low, rule.floor))
            total += length
            if length > longest:
                longest, cut = length, low
    labels = None if cut is None else connected_components(reach <= cut * (1 + 1e-12))[1]
    return total, labels, onset


def found_life(points, rule):
    squared = life.squared_chords(points)
    mergers = life.mergers(squared, life.core_squares(squared)[rule.neighbour - 1])
    grown = life.growth(mergers.radius, np.array([life.least_size(points.shape[1], rule)]))
    return life.cluster_life(grown, 0, rule), mergers


@pytest.mark.parametrize("neighbour", [1, 2, 3])
def test_cluster_life_agrees_with_its_definition(neighbour):
    random = np.random.default_rng(neighbour)
    clouds = [
        groups(random, 40, 5, clusters, width)[0] for clusters in (2, 4) for width in (0.003, 0.1, 0.3, 1.0)
    ]
    points = unit(np.array(clouds))
    rule = life.Rule(neighbour=neighbour)
    found, mergers = found_life(points, rule)
    for place, cloud in enumerate(points):
        total, labels, onset = slow_life(cloud, rule)
        # chords from Gram matrices: squares to 1e-15, chords over the floor of .01 to 1e-13
        np.testing.assert_allclose(found.life[place], total, atol=1e-10)
        np.testing.assert_allclose(found.onset[place], onset, atol=1e-10)
        if labels is None:
            assert found.cut[place] == -1
        else:
            own = life.Mergers(mergers.order[place], mergers.radius[place])
            assert adjusted_rand_score(labels, life.components(own, int(found.cut[place]))) == 1
    assert found.life.max() > 3


def test_single_precision_is_enough_for_the_null():
    random = np.random.default_rng(3)
    wide = random.standard_normal((6, 60, 20))
    tight = np.eye(20)[0] + 0.02 * random.standard_normal((6, 60, 20))
    grouped = [groups(random, 60, 20, 4, width)[0] for width in (0.001, 0.01, 0.05, 0.1, 0.2, 0.4)]
    points = unit(np.concatenate([wide, tight, grouped]))
    exact = found_life(points, life.Rule())[0].life
    single = found_life(points.astype(np.float32), life.Rule())[0].life
    # squares of chords are good to some 1e-7; at the floor, r^2 = 1e-4, that is 1e-3 of log r
    np.testing.assert_allclose(single, exact, atol=2e-3)


def test_a_common_scale_and_order_of_tokens_do_not_matter():
    random = np.random.default_rng(4)
    points = unit(groups(random, 30, 6, 3, 0.2)[0])[None]
    own = found_life(points, life.Rule())[0]
    moved = found_life(points[:, random.permutation(30)], life.Rule())[0]
    np.testing.assert_allclose(moved.life, own.life, atol=1e-12)
    np.testing.assert_allclose(found_life(points / 2, life.Rule())[0].life, own.life, atol=1e-12)


def test_adjusted_rand_agrees_with_scikit_learn():
    random = np.random.default_rng(5)
    left, right = (np.stack([random.integers(0, kinds, 30) for kinds in (1, 2, 5, 30)]) for _ in range(2))
    expected = [[adjusted_rand_score(one, other) for other in right] for one in left]
    np.testing.assert_allclose(adjusted_rand(together(left), together(right)), expected, atol=1e-12)
    alone = together(np.arange(5)[None])
    assert adjusted_rand(alone, alone) == 1


def plateaus_of(on, labels, onset, spread=STILL, axis="layer", excess=STILL, **changed):
    """Ends of the longest and the first plateau; the contrast is not asked for where it is not given."""
    agreement = adjusted_rand(*2 * [together(np.asarray(labels))])
    course = Course(np.asarray(on, bool), excess, np.asarray(onset, float), spread, axis)
    rule = PlateauRule(contrast=0.0)._replace(**changed)
    return tuple(plateaus(course, lambda one, other: float(agreement[one, other]), rule))


def test_plateaus_by_hand():
    first, second = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2], 4)
    assert plateaus_of([0, 1, 1, 1, 1, 0, 1, 1, 0], [first] * 9, STILL) == (1, 4, 1, 4)
    assert plateaus_of([1] * 9, [first] * 4 + [second] * 5, STILL) == (4, 8, 0, 3)
    assert plateaus_of([1] * 9, [first] * 9, STILL, depths=10) == NONE
    assert plateaus_of([1, 1, 0, 1, 1, 0, 1, 1, 0], [first] * 9, STILL) == NONE


def test_clusters_that_loosen_within_a_stage_are_no_plateau():
    """By more than exp(.3), in itself and over the spread, however still they were at first."""
    same, on = [np.repeat([0, 1, 2], 4)] * 9, [1] * 9
    loosening = np.array([0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert plateaus_of(on, same, loosening) == NONE
    assert plateaus_of(on, same, -loosening) == (0, 8, 0, 8)
    assert plateaus_of(on, same, 0.6 * loosening) == (0, 8, 0, 8)
    # a cloud that widens takes its clusters with it, and one that contracts does not loosen them
    assert plateaus_of(on, same, loosening, spread=0.6 * loosening) == (0, 8, 0, 8)
    assert plateaus_of(on, same, STILL, spread=-loosening) == (0, 8, 0, 8)
    # a rise inside that ends below the start: .4 from the fourth depth to the seventh
    assert plateaus_of(on, same, [0.5, 0.3, 0.1, 0, 0.2, 0.3, 0.4, 0.3, 0.2]) == NONE


def test_what_comes_behind_a_stage_counts_only_where_its_start_was_not_seen():
    same = [np.repeat([0, 1, 2], 4)] * 9
    melts = [0, 0, 0, 0, 0, 1, 1, 1, 1]
    from_the_start, formed = [1] * 5 + [0] * 4, [0] + [1] * 4 + [0] * 4
    assert plateaus_of(from_the_start, same, STILL) == (0, 4, 0, 4)
    assert plateaus_of(from_the_start, same, melts) == (0, 4, 0, 4)
    assert plateaus_of(formed, same, melts) == (1, 4, 1, 4)
    # every start looks still in log time
    assert plateaus_of(from_the_start, same, melts, axis="time") == NONE
    assert plateaus_of(formed, same, melts, axis="time") == (1, 4, 1, 4)
    # formed, and then loosening: the part before is the plateau
    late = [0, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5]
    assert plateaus_of([0] + [1] * 8, same, late) == (1, 4, 1, 4)
    assert plateaus_of([1] * 9, same, late) == NONE


def test_clusters_alike_at_all_depths_are_no_stage():
    same, on = [np.repeat([0, 1, 2], 4)] * 9, [1] * 9
    assert plateaus_of(on, same, STILL, contrast=0.25) == NONE
    rising = np.array([0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7])
    assert plateaus_of(on, same, STILL, excess=rising, contrast=0.33) == (0, 8, 0, 8)  # by .333
    assert plateaus_of(on, same, STILL, excess=rising, contrast=0.35) == (1, 8, 1, 8)  # by .375


def test_a_partition_that_creeps_away_ends_its_plateau():
    labels = np.repeat([np.repeat([0, 1], 20)], 9, axis=0)
    for depth in range(9):
        labels[depth, :depth] = 1  # one token more changes side at each depth
    start, end, *_ = plateaus_of([1] * 9, labels, STILL)
    assert (start, end) != (-1, -1)
    assert adjusted_rand_score(labels[start], labels[end]) >= 0.7
    assert end - start < 8
