"""The mean field from the uniform law: rates, clusters, their places, and a sentence that follows the table."""

import numpy as np
import pytest

from compare import theory
from compare.experiments.mean_field import BETAS, CASES, draw, finding, run


@pytest.fixture(scope="module")
def table():
    return run(0, True)


def test_the_uniform_law_grows_at_the_closed_form_rates(table):
    rates = [
        float(theory.growth_rate(theory.cluster_count(beta, d), beta, d, kind)) for kind, d, beta in CASES
    ]
    np.testing.assert_allclose(table["predicted_growth"], rates, rtol=1e-12)
    # Of second order in an amplitude of 1e-6, and rounding of 1e-12 against it.
    np.testing.assert_allclose(table["growth"], rates, rtol=1e-5)


def test_as_many_clusters_as_the_fastest_degree_where_the_start_foretells(table):
    np.testing.assert_array_equal(table["found"], theory.cluster_count(BETAS))
    assert (table["misplaced"] < 0.1).all()


def test_harmonics_follow_their_rates_while_they_are_small(table):
    small = table.where((table["size"] < 1e-2) & (table["time"] < 4) & (table["degree"] > 1))
    ratios = (small["size"] / small["predicted_size"]).values
    ratios = ratios[np.isfinite(ratios)]
    assert len(ratios) > 50
    # Products of two harmonics of 1e-2 add 1e-4 to others, which are of about 1e-3.
    np.testing.assert_allclose(ratios, 1, atol=0.2)


def test_the_sentence_follows_the_table(table):
    assert finding(table) == table.attrs["finding"]
    assert "NOT" not in finding(table)
    assert "NOT at every beta" in finding(table.assign(found=table["found"] + 1))
    assert "to 0.1 relative" in finding(table.assign(growth=1.1 * table["predicted_growth"]))


def test_figure_is_made_from_the_table_alone(table):
    titles = [axes.get_title() for axes in draw(table).axes]
    assert titles[:2] == ["beta = 5: 3 clusters", "beta = 7: 4 clusters"]
