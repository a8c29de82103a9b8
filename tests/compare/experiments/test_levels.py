"""Energy levels: starts are on them, clusters obey their closed form, and the sentence follows the numbers."""

import numpy as np
import pytest

from compare.experiments.levels import draw, finding, partitions, run
from sim import energy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table():
    return run(0, True)


def test_every_start_is_on_its_level(table):
    for level in table["level"].values:
        for family in table["family"].values:
            chosen = table["angles"].sel(level=level, family=family).stack(each=("start", "beta"))
            for beta, angles in zip(chosen["beta"].values, chosen.transpose("each", "token").values):
                points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
                # Clusters 0.35 apart add e^(-0.06 beta) at the least beta of 512.
                np.testing.assert_allclose(energy(points, beta), level, rtol=1e-9)


def test_partitions_of_ten_into_squares():
    every = {
        tuple(sorted((a, b, c)))
        for a in range(1, 9)
        for b in range(1, 9)
        for c in range(1, 9)
        if a + b + c == 10
    }
    expected = {sizes for sizes in every if sum(size**2 for size in sizes) == 42}
    assert {tuple(sorted(sizes)) for sizes in partitions(10, 42, 3, 10)} == expected
    assert expected


def test_clusters_live_as_the_closed_form_says(table):
    measured = table["log_lifetime"].sel(family="clusters")
    # A third cluster changes a pull by e^(-beta (difference of 1 - cos)), and log t by as much.
    np.testing.assert_allclose(measured, table["predicted"].transpose(*measured.dims), rtol=1e-3)
    assert (measured > 0.02 * table["beta"]).all()


def test_consensus_comes_after_the_first_change(table):
    assert (table["log_consensus"] > table["log_lifetime"]).all()
    energies = table["path"].transpose(..., "log_time").values
    # E1 never falls; the solver's tolerance is 1e-8.
    assert np.diff(energies, axis=-1).min() > -1e-6
    np.testing.assert_allclose(energies[..., -1], 1, atol=1e-6)


def test_arcs_do_not_know_beta(table):
    arcs = table["log_consensus"].sel(family="arc").isel(beta=slice(-2, None))
    # The start is the same up to the scale beta^(-1/2); the sphere's curvature adds O(1/beta).
    np.testing.assert_allclose(arcs.isel(beta=0), arcs.isel(beta=1), rtol=0.05)


def test_the_sentence_follows_the_table(table):
    assert finding(table) == table.attrs["finding"]
    assert "counterexample is there" in finding(table)
    growing = table["log_consensus"] + 0.05 * table["beta"]
    assert "counterexample is NOT there" in finding(table.assign(log_consensus=growing))
    short = table["log_lifetime"] * 0
    assert "are NOT all" in finding(table.assign(log_lifetime=short))


def test_figure_is_made_from_the_table_alone(table):
    assert len(draw(table).axes) == 3
