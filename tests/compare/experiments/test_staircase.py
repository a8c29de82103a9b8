"""The staircase on the circle and on spheres: the rescaled flow against oracles, each finding against its table."""

import numpy as np
import pytest

from compare.experiments import staircase as of_stairs


@pytest.fixture(scope="module")
def stairs():
    return of_stairs.EXPERIMENT.run(0, True)


def test_jump_times_are_those_of_the_finite_beta_formula(stairs):
    """Values for gaps 0.15, 0.35, 0.6, 1.1 were computed once with mpmath, to three decimals."""
    exact = {
        1e3: [4.569, 8.698, 11.471, 12.930],
        1e6: [5.723, 9.997, 12.625, 13.906],
        1e12: [6.143, 10.381, 12.876, 14.042],
    }
    measured = stairs["jump_time"].sel(variant="survivors", start=0)
    for beta, jumps in exact.items():
        assert measured.sel(beta=beta).values == pytest.approx(jumps, abs=1e-3)
    assert stairs["jump_time_limit"].sel(variant="survivors").values[0, 0] == pytest.approx(
        [6.25, 10.25, 12.5, 13.5]
    )


def test_the_printed_clock_shows_one_jump_only(stairs):
    printed = stairs["printed_jump_time"]
    assert float(printed.isel(merger=slice(None, -1)).max()) < 1e-100
    assert float(printed.isel(merger=-1).min()) > 0.5


def test_the_authors_figure_is_reproduced(stairs):
    """Times at which E1 of their script passes 0.24, 0.36, 0.56 and 0.84, read from a run of it."""
    theirs = {
        500: [0.0, 0.01684, 0.10478, 0.11526],
        1000: [0.00053, 0.01752, 0.0997, 0.10637],
        2000: [0.0015, 0.01709, 0.09362, 0.0979],
        4000: [0.00203, 0.01642, 0.08771, 0.09049],
    }
    for beta, times in theirs.items():
        energy = stairs["authors_energy"].sel(authors_beta=beta)
        ours = np.interp(
            [0.24, 0.36, 0.56, 0.84], np.maximum.accumulate(energy.values), energy["arclength_time"]
        )
        # the table keeps every 20th of their steps of 1e-5
        assert ours == pytest.approx(times, abs=1e-4)
    assert stairs["authors_jump_time"].values == pytest.approx(
        stairs["authors_jump_time_theory"].values, abs=2e-4
    )


def test_coalesce_and_the_rescaled_run_agree(stairs):
    assert stairs["log_time"].values == pytest.approx(stairs["log_time_theory"].values, rel=1e-8)
    kept = stairs["jump_time"].sel(variant="mass kept", start=0, beta=stairs["beta_true"])
    assert stairs["true_jump_time"].values == pytest.approx(kept.values, abs=1e-5)


def test_the_staircase_finding_follows_its_table(stairs):
    assert stairs.attrs["finding"] == of_stairs.finding(stairs)
    assert stairs.attrs["finding"].startswith("The runs confirm")
    off = abs(stairs["jump_time"] - stairs["jump_time_theory"]).sel(beta=1e3).max()
    assert f"at most {float(off):.1e}" in stairs.attrs["finding"]
    assert "contradict" in of_stairs.finding(stairs.assign(jump_time=1.01 * stairs["jump_time"]))


def test_the_figure_of_stairs_is_drawn_from_the_table_alone(stairs):
    figure = of_stairs.EXPERIMENT.draw(stairs)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
