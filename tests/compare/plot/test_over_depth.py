"""The published definitions over depth: what is drawn is what was measured, with labels that have units."""

import numpy as np
import pytest

import sim
from compare import plot
from compare.study.measuring import measure_run
from tests.helpers.drawn import line


@pytest.fixture(scope="module")
def measured():
    run = sim.simulate(
        sim.Attention(4.0), sim.caps(np.eye(3)[:1], 10, 0.3, 2), [0.0, 0.5, 2.0, 30.0], attention=True
    )
    return measure_run(run, "published")


@pytest.mark.parametrize(
    ("draw", "variables", "label"),
    [
        (plot.mass_near_one, ["mass_near_one", "mean_cosine"], "share of pairs; cosine"),
        (plot.effective_rank, ["effective_rank"], "effective rank"),
        (
            plot.clusters,
            ["hdbscan_clusters", "hdbscan_package_clusters", "kmeans_clusters"],
            "clusters",
        ),
        (plot.persistence, ["nn_stability"], "similarity to previous depth"),
    ],
)
def test_lines_are_the_measured_numbers(measured, draw, variables, label):
    axes = draw(measured)
    drawn = [line(each)[1] for each in axes.lines]
    for name in variables:
        assert any(np.array_equal(each, measured[name].values, equal_nan=True) for each in drawn), name
    for each in axes.lines:
        np.testing.assert_array_equal(line(each)[0], measured["depth"].values)
    assert axes.get_ylabel() == label
    assert axes.get_xlabel() == "time t (SA)"


def test_energies_are_shares_of_their_maximum(measured):
    axes = plot.energy(measured)
    ends = [y[-1] for _, y in map(line, axes.lines) if len(y)]
    np.testing.assert_allclose(ends, 1.0, atol=2e-3)  # all tokens have met: E1 is 1 at every beta
    own = next(each for each in axes.lines if str(each.get_label()).startswith("own beta"))
    np.testing.assert_array_equal(line(own)[1], measured["own_energy"].values)
    assert axes.get_ylabel() == "energy / its maximum"


def test_the_histogram_holds_shares_of_pairs(measured):
    axes = plot.cosine_histogram(measured)
    (mesh,) = axes.collections
    shares = np.asarray(mesh.get_array()).reshape(-1, measured.sizes["depth"])
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert shares[-1, -1] == 1  # in the end all pairs are in the last bin
    assert axes.get_ylabel() == "cosine of a pair"
    assert [each.get_ylabel() for each in axes.figure.axes] == ["cosine of a pair", "share of pairs"]


@pytest.mark.parametrize("draw", [plot.attention_entropy, plot.sinkhorn_fiedler])
def test_heads_are_lines_around_their_mean(measured, draw):
    axes = draw(measured)
    values = measured[draw.__name__].transpose("depth", "head").values
    np.testing.assert_array_equal(line(axes.lines[0])[1], values[:, 0])
    np.testing.assert_array_equal(line(axes.lines[values.shape[1]])[1], values.mean(axis=1))
    if draw is plot.attention_entropy:
        assert line(axes.lines[-1])[1][0] == np.log(10)
