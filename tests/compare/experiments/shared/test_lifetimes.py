"""Times of collapse and escape: against a plain integration of all tokens."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from compare.experiments.shared.lifetimes import log_collapse_time, log_escape_time
from sim import Attention, caps
from sim.mergers.solver import coalesce


def test_both_times_agree_with_a_plain_integration():
    """Two caps of two tokens at beta = 6, SA: DOP853 on all tokens finds the same T1 and T2."""
    beta, eps, goal = 6.0, 0.004, 1e-3
    centres = np.array([[1.0, 0, 0], [np.cos(1.3), np.sin(1.3), 0]])
    tokens = caps(centres, 2, eps, 3)

    def flow(t, state):
        x = state.reshape(4, 3)
        apart = x - x[:, None]
        weights = np.exp(-beta * np.sum(apart**2, axis=-1) / 2)
        pull = np.einsum("ij,ijk->ik", weights / weights.sum(axis=1, keepdims=True), apart)
        return (pull - np.sum(pull * x, axis=1, keepdims=True) * x).ravel()

    def tight(t, state):
        x = state.reshape(2, 2, 3)
        return np.linalg.norm(x[:, 0] - x[:, 1], axis=-1).max() - goal

    def left(t, state):
        x = state.reshape(4, 3)
        return 1 - 2 * eps - np.min(np.sum(x * np.repeat(centres, 2, axis=0), axis=1))

    solved = solve_ivp(flow, (0, 100), tokens.ravel(), "DOP853", rtol=1e-12, atol=1e-13, events=[tight, left])
    found = coalesce(Attention(beta), tokens)
    # a merged pair stands for two tokens up to beta chord^2 = 2e-11; bisection is at 4e-6 of a stage
    assert log_collapse_time(found, 2, np.log(goal)) == pytest.approx(np.log(solved.t_events[0][0]), abs=1e-5)
    assert log_escape_time(found, centres, eps) == pytest.approx(np.log(solved.t_events[1][0]), abs=1e-5)
    below = log_collapse_time(found, 2, np.log(1e-9))
    at_chord = log_collapse_time(found, 2, np.log(found.merge_chord))
    # below the merge chord the distance falls as e^(-t)
    assert np.exp(below) - np.exp(at_chord) == pytest.approx(np.log(found.merge_chord / 1e-9), rel=1e-9)
