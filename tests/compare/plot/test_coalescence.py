"""The staircase has its steps at the mergers, and the tree its joints at their log times."""

import numpy as np
import pytest

import sim
from compare import plot
from tests.helpers.drawn import line


@pytest.fixture(scope="module")
def tree():
    return sim.coalesce(sim.Attention(1000.0), sim.uniform(5, 3))


def test_the_energy_between_two_mergers_is_that_of_the_clusters_that_are_left(tree):
    axes = plot.staircase(tree)
    log_times, energies = line(axes.lines[0])
    for merger, level in enumerate(tree.energies[:-1]):
        early, late = tree.log_times[merger : merger + 2]
        between = (log_times > early + 0.4 * (late - early)) & (log_times < early + 0.6 * (late - early))
        np.testing.assert_allclose(energies[between], level, atol=1e-6)  # off by what is between clusters
    heights = {round(float(line(each)[1][0]), 9) for each in axes.lines[1:]}
    assert heights == set(np.round(tree.energies, 9))
    assert axes.get_xlabel() == "log t (t: time of SA)"
    assert axes.get_ylabel() == "energy E1 (1: one cluster)"


def ticks_at(axes, heights):
    return [float(axes.yaxis.get_major_formatter()(height, 0)) for height in heights]


def joints(axes):
    """The heights of the joints of a tree, as the ticks of its axis would name them."""
    tops = sorted(
        np.asarray(path.vertices)[:, 1].max() for each in axes.collections for path in each.get_paths()
    )
    return [float(axes.yaxis.get_major_formatter()(height, 0)) for height in tops]


def test_the_joints_of_the_tree_read_as_log_times(tree):
    axes = plot.dendrogram(tree)
    np.testing.assert_allclose(joints(axes), tree.log_times, rtol=1e-5)  # six digits
    assert axes.get_xlabel() == "the 5 tokens"
    assert axes.get_ylabel() == "log t of the merger (t: time of SA)"


def test_negative_log_times_are_read_as_such():
    """SciPy's heights start at 0, so here, where two tokens meet well before t = 1, they are not log t."""
    angles = np.array([0.0, 1e-4, 1.0])
    early = sim.coalesce(
        sim.Attention(1.0), np.stack([np.cos(angles), np.sin(angles)], axis=1), merge_chord=9e-5
    )
    assert early.log_times[0] < 0
    assert early.linkage()[0, 2] >= 0
    np.testing.assert_allclose(joints(plot.dendrogram(early)), early.log_times, rtol=1e-5, atol=1e-5)
