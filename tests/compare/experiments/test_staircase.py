"""The staircase on the circle and on spheres: the rescaled flow against oracles, each finding against its table."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from compare.experiments import saddles as of_saddles
from compare.experiments import staircase as of_stairs
from compare.experiments.shared.rescaled import climb, plateau_length
from compare.theory import collision_radius, plateau_limit


def on_circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.fixture(scope="module")
def stairs():
    return of_stairs.EXPERIMENT.run(0, True)


@pytest.fixture(scope="module")
def saddles():
    return of_saddles.EXPERIMENT.run(0, True)


def test_climb_agrees_with_a_plain_integration_in_true_time():
    """Three unequal clusters at beta = 12, USA in its own time t, with the clock as one more coordinate."""
    beta, mass, angles = 12.0, np.array([0.5, 0.2, 0.3]), np.array([0.0, 0.7, 1.9])
    radius = float(collision_radius(beta))

    def flow(t, state):
        theta = state[:3]
        apart = theta - theta[:, None]
        pull = mass * np.exp(beta * (np.cos(apart) - 1))
        far = np.exp(beta * (np.cos(apart) - 1))[np.triu_indices(3, 1)]
        return [*np.sum(pull * np.sin(apart), axis=1), far.max() / np.log(beta), far.min() / np.log(beta)]

    def met(t, state):
        return np.min(np.diff(state[:3])) - radius

    met.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    start = [*angles, 0.0, 0.0]
    solved = solve_ivp(flow, (0, 1e6), start, "DOP853", rtol=1e-12, atol=1e-13, events=met)
    climbed = climb(on_circle(angles), mass, beta)
    # the event's chord is 2 sin(r/2) in one and the angle r in the other: the same; both solvers are at 1e-11
    assert climbed.lengths[0] == pytest.approx(solved.y_events[0][0][3], rel=1e-7)
    assert climbed.printed_lengths[0] == pytest.approx(solved.y_events[0][0][4], rel=1e-7)


@pytest.mark.parametrize("kind", ["SA", "USA"])
@pytest.mark.parametrize("angle", [0.3, 3.07])
def test_two_clusters_take_the_time_of_the_closed_form(kind, angle):
    """Almost opposite ones too, where the bare projection would let lengths run away from 1."""
    masses = np.array([0.3, 0.7])
    for beta in (1e3, 1e12):
        measured = climb(on_circle(np.array([0.0, angle])), masses, beta, kind).lengths[0]
        # chords of 2e-7 at beta = 1e12 carry a relative rounding of 1e-9, seen through a logarithm
        assert measured == pytest.approx(plateau_length(beta, angle, (0.3, 0.7), kind), rel=1e-5)


def test_plateau_length_tends_to_its_limit_from_any_angle():
    for kind in ("SA", "USA"):
        limit = plateau_limit(0.3, 0.7, kind)
        far = [abs(plateau_length(beta, 1.0, (0.3, 0.7), kind) / limit - 1) for beta in (1e6, 1e100, 1e300)]
        assert far[0] > far[1] > far[2]
        # what is left is of order ln(ln beta)/ln(beta) = 0.01, a few times over for SA
        assert far[2] < 0.04


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


def test_the_figure_of_stairs_is_drawn_from_the_table_alone(stairs):
    figure = of_stairs.EXPERIMENT.draw(stairs)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)


def test_the_figure_of_saddles_is_drawn_from_the_table_alone(saddles):
    figure = of_saddles.EXPERIMENT.draw(saddles)
    assert len(figure.axes) == 4
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)
