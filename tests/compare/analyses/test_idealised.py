"""Effective time of a model's layers, and the theory's curve on it."""

import numpy as np
import pytest

import sim
from compare.analyses.idealised import effective_time, idealised_blocks
from compare.metrics.pairwise import mean_cosine
from compare.theory import gamma


def layers(points, scheme, norms=None):
    return sim.Trajectory(
        points,
        np.arange(len(points)),
        axis="layer",
        norms=norms,
        provenance={"scheme": scheme, "causal": False},
    )


def blocks_by_loop(points, beta, blocks, scheme, norms):
    """Blocks x <- x + A(x / |x|) with Q = K = V = I, token by token in plain NumPy."""
    states, lengths = [points], [norms]
    for _ in range(blocks):
        theta, r = states[-1], lengths[-1]
        moved = np.empty_like(theta)
        for i in range(len(theta)):
            weights = np.exp(beta * (theta @ theta[i] - 1))
            moved[i] = r[i] * theta[i] + (weights / weights.sum()) @ theta
        length = np.linalg.norm(moved, axis=1)
        states.append(moved / length[:, None])
        lengths.append(length if scheme == "pre" else np.ones_like(length))
    return np.stack(states), np.stack(lengths)


def test_collapsed_post_layers_are_worth_half_a_unit():
    points = np.tile([[1.0, 0.0, 0.0]], (5, 4, 1))
    # At consensus <x, A> = 1, so each block is worth 1 / (1 + 1); only rounding is left.
    np.testing.assert_allclose(effective_time(layers(points, "post"), 3.0), np.arange(5) / 2, rtol=1e-12)


def test_pre_layers_slow_down_with_the_length_of_the_residual():
    points = np.tile([[1.0, 0.0, 0.0, 0.0]], (3, 2, 1))
    norms = np.full((3, 2), 6.0)
    # r = 6 / sqrt(4) = 3, so a block is worth 1 / (3 + 1).
    np.testing.assert_allclose(effective_time(layers(points, "pre", norms), 1.0), [0, 0.25, 0.5], rtol=1e-12)


@pytest.mark.parametrize("scheme", ["post", "pre"])
def test_idealised_blocks_are_those_of_a_loop(scheme):
    start, scale = sim.uniform(6, 4, 1), 2.0 if scheme == "pre" else 1.0
    points, lengths = blocks_by_loop(start, 3.0, 4, scheme, np.full(6, 1.5 if scheme == "pre" else 1.0))
    given = layers(np.repeat(start[None], 5, axis=0), scheme, np.full((5, 6), 1.5 * scale))
    made = idealised_blocks(given, 3.0)
    # Sums of six terms in another order: rounding only.
    np.testing.assert_allclose(made.points, points, atol=1e-13)
    np.testing.assert_allclose(made.norms, scale * lengths, rtol=1e-13)


def test_causal_blocks_leave_the_first_token():
    given = sim.Trajectory(
        np.repeat(sim.uniform(6, 4, 1)[None], 4, axis=0),
        np.arange(4),
        axis="layer",
        provenance={"scheme": "post", "causal": True},
    )
    made = idealised_blocks(given, 3.0)
    np.testing.assert_allclose(made.points[:, 0], given.points[:, 0], atol=1e-14)
    assert np.abs(made.points[-1, 1:] - given.points[-1, 1:]).max() > 0.1


def test_idealised_model_lies_on_the_idealised_run_and_near_the_curve():
    """A model that is its own idealisation shows no distance; orthonormal tokens are near gamma(t) on this clock."""
    beta, tokens = 1.0, 8
    states, _ = blocks_by_loop(np.eye(tokens), beta, 12, "post", np.ones(tokens))
    model = layers(states, "post")
    blocks = idealised_blocks(model, beta)
    measured, time = mean_cosine(model.points), effective_time(model, beta)
    np.testing.assert_allclose(mean_cosine(blocks.points), measured, atol=1e-12)
    np.testing.assert_allclose(effective_time(blocks, beta), time, rtol=1e-12)
    theory = np.asarray(gamma(time, n=tokens, beta=beta, start=0.0))
    # A unit step is no infinitesimal one: where the curve is steepest it is missed by 0.12 ...
    np.testing.assert_allclose(measured, theory, atol=0.125)
    np.testing.assert_allclose(measured[4:], theory[4:], atol=0.01)
    # ... whereas a layer counted as one unit of time is off by more than twice that.
    naive = gamma(np.arange(13.0), n=tokens, beta=beta, start=0.0)
    assert np.max(np.abs(measured - naive)) > 0.25


def test_time_axis_is_its_own_clock():
    times = np.array([0.5, 1.0, 4.0])
    trajectory = sim.Trajectory(np.tile(np.eye(3), (3, 1, 1)), times)
    np.testing.assert_array_equal(effective_time(trajectory, 2.0), times - 0.5)


def test_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme"):
        effective_time(layers(np.tile(np.eye(3), (2, 1, 1)), "sideways"), 1.0)
