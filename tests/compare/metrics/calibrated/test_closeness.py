"""Closeness to the nearest neighbour: against scikit-learn, and against what is planted."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import probe
from compare.metrics.calibrated.closeness import closeness
from compare.metrics.calibrated.cluster_life import Rule
from compare.metrics.calibrated.lives import linked
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.exclusions import exclude
from compare.metrics.planting import planted
from compare.study.subjects import default_texts
from tests.helpers.vectors import unit

PAIRS, TRIPLES = 2, 3


def test_it_is_the_distance_to_the_nearest_neighbour_over_the_spread():
    clouds = unit(np.random.default_rng(0).standard_normal((3, 20, 5)))
    found = linked([clouds], [Rule()])[2].closeness
    for cloud, value in zip(clouds, found):
        nearest = NearestNeighbors(n_neighbors=2).fit(cloud).kneighbors(cloud)[0][:, 1]
        spread = np.sqrt(np.mean(np.sum((cloud - cloud.mean(axis=0)) ** 2, axis=1)))
        np.testing.assert_allclose(value, np.mean(np.log(spread / nearest)), rtol=1e-9)


def test_tokens_that_coincide_have_a_number():
    assert linked([np.tile(np.eye(3)[:1], (2, 8, 1))], [Rule()])[2].closeness.tolist() == [0, 0]


def test_excess_and_best_third_are_those_of_the_numbers():
    own = np.array([0.0, 3, 3, 0, 0, 1])
    null = np.array([[0.0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0]])
    found = closeness(own, null)
    np.testing.assert_allclose(found.closeness_excess, [0, 2, 3, 0, 0, 1])
    assert found.late_closeness == 0.5
    # Two depths in a row: the data reach 2.5, the draws 0 and 1/2 beyond their mean.
    assert found.stage_closeness == 2.5 - 0.25


@pytest.fixture(scope="module")
def text():
    return probe.extract("gpt2-128", default_texts()[0].text, frame="layernorm", max_tokens=96)


@pytest.mark.parametrize(("size", "least"), [(PAIRS, 0.25), (TRIPLES, 0.25), (15, 0.15)])
def test_clusters_of_any_size_bring_tokens_nearer(text, size, least):
    few = {"base": BASE}
    groups = int(exclude(text).kept.sum()) // size
    bare, clustered = (
        float(calibrated(run, 9, 0, few)["late_closeness"])
        for run in (text, planted(text, groups=groups, share=0.8))
    )
    assert bare < 0.15 <= least < clustered
