"""The staircase on spheres: the finding and its table."""

import pytest

from compare.experiments import saddles as of_saddles

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saddles():
    return of_saddles.EXPERIMENT.run(0, True)


def test_the_saddles_finding_follows_its_table(saddles):
    off = abs(saddles["length"] / saddles["length_theory"] - 1)
    assert int(off.notnull().sum()) == 2 * 2 * 2 * 2 * (3 + 7)
    assert float(off.max()) < 1e-2
    assert saddles.attrs["finding"] == of_saddles.finding(saddles)
    assert "energy is a staircase" in saddles.attrs["finding"]
    assert "energy is not a staircase" in of_saddles.finding(saddles.assign(length=1.1 * saddles["length"]))


def test_sa_plateaus_do_not_grow_with_the_number_of_clusters(saddles):
    """c = (m_k^2 + m_l^2)/(m_k m_l) is at least 2, so 1/(2c) is at most 1/4; for USA it is at least 1/2."""
    limits = saddles["length_limit"]
    assert float(limits.sel(kind="SA").max()) <= 0.25 + 1e-12
    assert float(limits.sel(kind="USA").min()) >= 0.5 - 1e-12
    assert int(saddles["same_tree"].sel(beta=1e6).sum()) == 2 * 2 * 2 * 2


def test_the_figure_of_saddles_is_drawn_from_the_table_alone(saddles):
    figure = of_saddles.EXPERIMENT.draw(saddles)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
