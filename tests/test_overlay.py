"""Effective time of a model's layers, and the theory's curve on it."""

import numpy as np
import pytest


def layers(points, scheme, norms=None):
    import sim

    return sim.Trajectory(
        points,
        np.arange(len(points)),
        axis="layer",
        norms=norms,
        provenance={"scheme": scheme, "causal": False},
    )


def idealised_blocks(points, beta, step, blocks):
    """Post-LN blocks x <- normalise(x + step A(x)) with Q = K = V = I, in plain NumPy."""
    states = [points]
    for _ in range(blocks):
        x = states[-1]
        weights = np.exp(beta * (x @ x.T - 1))
        moved = x + step * (weights / weights.sum(1, keepdims=True)) @ x
        states.append(moved / np.linalg.norm(moved, axis=1, keepdims=True))
    return np.stack(states)


def test_collapsed_post_layers_are_worth_half_a_unit():
    from compare.overlay import effective_time

    points = np.tile([[1.0, 0.0, 0.0]], (5, 4, 1))
    # At consensus <x, A> = 1, so each block is worth 1 / (1 + 1); only rounding is left.
    np.testing.assert_allclose(effective_time(layers(points, "post"), 3.0), np.arange(5) / 2, rtol=1e-12)


def test_pre_layers_slow_down_with_the_length_of_the_residual():
    from compare.overlay import effective_time

    points = np.tile([[1.0, 0.0, 0.0, 0.0]], (3, 2, 1))
    norms = np.full((3, 2), 6.0)
    # r = 6 / sqrt(4) = 3, so a block is worth 1 / (3 + 1).
    np.testing.assert_allclose(effective_time(layers(points, "pre", norms), 1.0), [0, 0.25, 0.5], rtol=1e-12)


def test_idealised_blocks_follow_the_curve():
    """Orthonormal tokens under the idealised block are near gamma(t) on this clock, and far on the naive one."""
    from compare.overlay import overlay
    from compare.theory import gamma

    beta, tokens = 1.0, 8
    states = idealised_blocks(np.eye(tokens), beta, 1.0, 12)
    overlaid = overlay(layers(states, "post"), np.array([beta]))
    measured, theory = overlaid["mean_cosine"].values, overlaid["theory_cosine"].values[0]
    # A unit step is no infinitesimal one: where the curve is steepest it is missed by 0.12 ...
    np.testing.assert_allclose(measured, theory, atol=0.125)
    np.testing.assert_allclose(measured[4:], theory[4:], atol=0.01)
    # ... whereas a layer counted as one unit of time is off by more than twice that.
    naive = gamma(np.arange(13.0), n=tokens, beta=beta, start=0.0)
    assert np.max(np.abs(measured - naive)) > 0.25


def test_time_axis_is_its_own_clock():
    import sim
    from compare.overlay import effective_time

    times = np.array([0.5, 1.0, 4.0])
    trajectory = sim.Trajectory(np.tile(np.eye(3), (3, 1, 1)), times)
    np.testing.assert_array_equal(effective_time(trajectory, 2.0), times - 0.5)


def test_unknown_scheme_is_refused():
    from compare.overlay import effective_time

    with pytest.raises(ValueError, match="scheme"):
        effective_time(layers(np.tile(np.eye(3), (2, 1, 1)), "sideways"), 1.0)


def test_curve_is_undefined_at_consensus():
    from compare.overlay import overlay

    overlaid = overlay(layers(np.tile([[1.0, 0.0]], (3, 4, 1)), "post"), np.array([1.0, 4.0]))
    assert np.isnan(overlaid["theory_cosine"]).all()
    np.testing.assert_allclose(overlaid["mean_cosine"], 1, rtol=1e-12)
