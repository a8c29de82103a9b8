"""Trapping and escapes: measured times against a plain integration, and the findings against their tables."""

import pytest

from compare.experiments import trapping as of_trapping

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trapped():
    return of_trapping.EXPERIMENT.run(0, True)


def test_the_bounds_hold_and_a_violation_would_be_counted(trapped):
    applies = trapped["log_collapse_bound"].notnull()
    assert int(applies.sum()) >= 6
    assert of_trapping.violations(trapped) == 0
    assert f"violated in 0 of {int(applies.sum())} runs" in trapped.attrs["finding"]
    broken = trapped.assign(log_escape=trapped["log_escape"] - 100)
    assert of_trapping.violations(broken) > 0
    assert "violated in 0" not in of_trapping.finding(broken)
    assert of_trapping.violations(trapped.assign(log_collapse=trapped["log_collapse"] + 20)) > 0


def test_the_slope_is_at_least_one_less_alpha(trapped):
    ends = trapped["log_escape"].sel(beta=[30.0, 300.0])
    slope = ends.diff("beta").isel(beta=0) / 270
    rate = 1 - trapped["alpha"].isel(beta=0)
    assert bool((slope > rate).all())
    # centroids lie in the caps, so the exponent exceeds 1 - alpha by at most the caps' size, which goes with sqrt(eps)
    small = (slope - rate).sel(eps=1e-4)
    assert float(small.max()) < 0.1
    assert f"{float(slope.mean()):.3f} on average" in trapped.attrs["finding"]


def test_onset_and_failing_separation(trapped):
    """The proof needs a larger beta and a wider angle than trapping does."""
    assert 2 < float(trapped["onset_beta"].sel(kind="SA")) < float(trapped["onset_beta_proved"])
    both = trapped["onset_log_escape"] - trapped["onset_log_escape_coalesce"]
    # simulate's crossing is interpolated between saves that are 2 to 7 % apart
    assert float(abs(both).max()) < 1e-2
    near = trapped["near_log_escape"] - trapped["near_log_shrink"]
    assert float(near.isel(angle=0).max()) < 0 < float(near.isel(angle=-1).min())


def test_the_figure_of_trapping_is_drawn_from_the_table_alone(trapped):
    figure = of_trapping.EXPERIMENT.draw(trapped)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
