"""Counts of clusters: growth rates against printed values, groups and centres against brute force, the sentence."""

import numpy as np
import pytest

from compare.experiments.counts import draw, finding, linked_groups, measured_rate, renyi_centres, run
from sim import uniform

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table():
    return run(0, True)


def test_printed_growth_rates():
    # Simulated growth of 256 tokens on a grid, printed to 16 digits; a central difference of 1e-6 gives about 9.
    np.testing.assert_allclose(measured_rate(5.0, 2, 2), 0.5141173961458926, rtol=1e-7)
    np.testing.assert_allclose(measured_rate(9.0, 2, 4), 0.7044970292995967, rtol=1e-7)


def test_rates_and_jumps_equal_the_closed_form(table):
    # Rounding over the nudge of 1e-6 gives 1e-9 of the largest rate.
    np.testing.assert_allclose(table["rate"], table["predicted_rate"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(table["jump"], table["predicted_jump"], rtol=1e-6)


def test_groups_are_connected_components():
    angles = np.array([0.0, 0.1, 0.2, 1.0, 3.0, 3.05])
    group = linked_groups(np.stack([np.cos(angles), np.sin(angles)], axis=-1), 0.15)
    assert group.tolist() == [0, 0, 0, 1, 2, 2]


def test_renyi_centres_cover_and_keep_apart():
    x, separation = uniform(60, 3, 1), 0.5
    centres = renyi_centres(x, separation)
    apart = np.linalg.norm(x[:, None] - x[centres], axis=-1)
    assert np.min(apart[centres] + 9 * np.eye(len(centres))) > separation
    before = np.where(centres[None] < np.arange(60)[:, None], apart, np.inf)
    others = np.setdiff1d(np.arange(60), centres)
    assert np.all(before[others].min(axis=1) <= separation)


def test_clusters_only_merge(table):
    assert (table["remaining"].diff("log_time") <= 0).all()
    free = table["clusters"].sel(mask="none")
    assert (free.isel(time=-1) <= free.isel(time=0)).all()
    assert (table["remaining"] >= 1).all()


def test_the_sentence_follows_the_table(table):
    assert finding(table) == table.attrs["finding"]
    slope = np.polyfit(np.log(table["beta"]), np.log(table["clusters"].sel(d=3, mask="none", time=10.0)), 1)[
        0
    ].mean()
    assert f"S^2: {slope:.2f}" in finding(table)
    worse = table.assign(match=0 * table["match"])
    assert "are NOT clearly Renyi" in finding(worse)


def test_figure_is_made_from_the_table_alone(table):
    assert len(draw(table).axes) == 6
