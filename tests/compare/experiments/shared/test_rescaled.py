"""The rescaled flow and the length of its plateaus: against a plain integration and closed forms."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from compare.experiments.shared.rescaled import climb, plateau_length
from compare.theory import collision_radius, plateau_limit


def on_circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


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
