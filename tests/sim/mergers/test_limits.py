"""Where the coalescing solver could go wrong: freezing, stalls, saddles, ties, coincident points, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.mergers import batch, cascade
from sim.mergers.isolation import Clusters, IsolatedGroup, reached_by


def on_circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def near_pole(flat):
    """Points of the plane put on S^2 around the pole, by the exponential map: distances from the pole are angles."""
    flat = np.asarray(flat, float)
    radius = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-300)
    return np.concatenate([np.sin(radius) * flat / radius, np.cos(radius)], axis=1)


def dense_log_times(x, beta, kind, masses, tolerance=1e-8):
    """All points in one group, none ever followed apart: the flow alone."""
    rules = batch.rules(beta, kind == "USA", tolerance, 1e-5 / max(beta, 1))
    (run,) = batch.follow([batch.Start(x, masses, -np.inf, len(x))], rules, 10**6)
    return np.array([m.log_elapsed for m in run.mergers])


LURE = np.array([[-0.05, 0.0], [0.05, 0.0], [0.0, 0.13077], [0.0, 0.26577]])


def test_merger_that_comes_into_reach_breaks_off_a_pair(monkeypatch):
    # The upper pair is out of reach of both lower points (exponents 911 against 980), but not of their centroid (855).

    x, beta, masses = near_pole(LURE), 1e5, np.full(4, 0.25)
    exact = dense_log_times(x, beta, "SA", masses)
    result = sim.coalesce(sim.Attention(beta), x)
    np.testing.assert_allclose(result.log_times, exact, rtol=1e-6)
    assert [len(e.clusters) for e in result.episodes].count(2) >= 2
    monkeypatch.setattr(cascade, "disturbed_by", lambda *_: [])
    blind = sim.coalesce(sim.Attention(beta), x)
    assert abs(blind.log_times[1] / exact[1] - 1) > 1e-2


def crowd_with(points, paths):
    """A clusters near the pole, and isolated along given paths of the plane, by slots."""
    clusters = Clusters(near_pole(points), np.full(len(points), 1 / len(points)), 1e4, True)
    isolated = {}
    for number, (slots, path, log_elapsed) in enumerate(paths):
        rows = np.stack([near_pole(row) for row in path])
        slots = np.array(slots)
        isolated[number] = IsolatedGroup(
            slots, clusters.mass[slots], -20.0, 0.0, log_elapsed, rows, True, 1e4
        )
        clusters.assign(number, isolated[number])
    return clusters, isolated


def test_path_past_a_frozen_point_is_noticed():
    log_elapsed = np.array([-np.inf, 18.0, 19.0, 20.0])
    path = [[[x, 0.0], [0.4, 0.0]] for x in (0.0, 0.1, 0.2, 0.39)]
    points = [[0.0, 0.0], [0.4, 0.0], [0.15, 0.06], [0.15, -0.5]]
    clusters, isolated = crowd_with(points, [([0, 1], path, log_elapsed)])
    # Slot 2 is 0.08 from the path but 0.16 from its start; slot 3 stays 0.5 away.
    np.testing.assert_array_equal(reached_by(clusters, isolated[0], 0, isolated), [2])


@pytest.mark.parametrize(("begun", "met"), [(20.0, True), (60.0, False)])
def test_two_paths_that_cross_are_noticed_only_in_time(begun, met):
    mine = [[[x, 0.0], [0.4, 0.0]] for x in (0.0, 0.1, 0.2, 0.39)]
    other = [[[0.2, y], [0.2, -0.5]] for y in (0.5, 0.3, 0.05, -0.49)]
    points = [[0.0, 0.0], [0.4, 0.0], [0.2, 0.5], [0.2, -0.5]]
    first = np.array([-np.inf, 18.0, 19.0, 20.0])
    clusters, isolated = crowd_with(points, [([0, 1], mine, first), ([2, 3], other, first - 20 + begun)])
    assert bool(reached_by(clusters, isolated[0], 0, isolated).size) is met


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    log_beta=st.floats(1, 5),
    width=st.floats(0.05, 3),
    kind=st.sampled_from(["SA", "USA"]),
)
def test_cascades_agree_with_all_at_once(seed, log_beta, width, kind):
    random = np.random.default_rng(seed)
    x = near_pole(random.uniform(-width, width, (8, 2)) * random.choice([1, 0.1, 1.0], (8, 1)))
    masses = random.dirichlet(np.ones(8)) * 0.99 + 0.01 / 8
    beta = 10.0**log_beta
    result = sim.coalesce(sim.Attention(beta, kind), x, masses)
    exact = dense_log_times(x, beta, kind, masses)
    # A near tie of relative size m multiplies errors by 1 / m.
    conditioned = max(1.0, 0.1 / np.nanmin(np.abs(result.margins)))
    np.testing.assert_allclose(
        result.log_times, np.sort(exact), rtol=1e-6 * conditioned, atol=1e-6 * conditioned
    )


def test_loose_tolerance_does_not_stall():
    # With an absolute tolerance above the merge chord of 1e-11 the chord would hover and never close.
    x = on_circle([0.0, 0.0101, 0.02, 0.9])
    loose = sim.coalesce(sim.Attention(1e6), x, tolerance=1e-6, max_steps=5000)
    tight = sim.coalesce(sim.Attention(1e6), x)
    assert loose.ending == "complete"
    np.testing.assert_allclose(loose.log_times, tight.log_times, rtol=1e-4)


def test_groups_that_close_in_one_step_do_not_depend_on_it():
    x = sim.uniform(32, 3, seed=6)
    x[:, 2] = np.abs(x[:, 2])
    results = [sim.coalesce(sim.Attention(2.0), x, tolerance=tolerance) for tolerance in (1e-8, 1e-10)]
    np.testing.assert_allclose(results[0].log_times, results[1].log_times, atol=1e-6)
    # The position at the crossing, not at the end of the step, which would be off by 5e-6.
    np.testing.assert_allclose(results[0].positions, results[1].positions, atol=1e-6)


def test_coincident_points_merge_before_the_start():
    x = on_circle([0.0, 1.0, 0.0, 2.5, 0.0])
    result = sim.coalesce(sim.Attention(50.0), x)
    np.testing.assert_array_equal(result.log_times[:2], -np.inf)
    np.testing.assert_allclose(result.masses[:2], [0.4, 0.6])
    weighted = sim.coalesce(sim.Attention(50.0), on_circle([0.0, 1.0, 2.5]), [0.6, 0.2, 0.2])
    np.testing.assert_allclose(result.log_times[2:], weighted.log_times, rtol=1e-12)
    assert result.linkage()[0, 2] == 0
    assert len(result.at(-np.inf).masses) == 3


@pytest.mark.parametrize("beta", [1.0, 1e3])
def test_exact_antipodes_are_a_saddle(beta):
    x = on_circle([0.0, np.pi])
    with pytest.raises(ValueError, match="saddle"):
        sim.coalesce(sim.Attention(beta), x)
    result = sim.coalesce(sim.Attention(beta), x, throw=False)
    assert result.ending == "saddle"
    assert result.clusters == 2
    assert len(result.log_times) == 0
    np.testing.assert_allclose(result.at(1e9).points, x)
    with pytest.raises(ValueError, match="a tree needs"):
        result.linkage()


def test_mergers_before_a_saddle_are_kept():
    # Two tight pairs at the poles: both merge, then their centroids face each other.
    tilt = np.array([0.0, 0.1, np.pi, np.pi + 0.1])
    result = sim.coalesce(sim.Attention(200.0), on_circle(tilt), throw=False)
    assert result.ending == "saddle"
    assert len(result.log_times) == 2
    np.testing.assert_allclose(result.masses, 0.5)


@pytest.mark.parametrize(("n", "beta"), [(5, 9.0), (4, 100.0), (3, 1.0)])
def test_rings_are_flagged_as_saddles(n, beta):
    result = sim.coalesce(sim.Attention(beta), sim.ring(n), throw=False)
    assert result.ending == "saddle"
    nudged = sim.ring(n) + 1e-3 * np.random.default_rng(n).standard_normal((n, 2))
    nudged /= np.linalg.norm(nudged, axis=1, keepdims=True)
    assert sim.coalesce(sim.Attention(beta), nudged).ending == "complete"


def test_shared_ties_are_flagged():
    beta = 1000.0
    tied = sim.coalesce(sim.Attention(beta), on_circle([-0.5, 0.0, 0.5]))
    assert tied.ending == "tie"
    assert tied.ties[0]
    # Both sides close together, at the same log time.
    assert tied.log_times[0] == pytest.approx(tied.log_times[1], abs=1e-6)
    broken = sim.coalesce(sim.Attention(beta), on_circle([-0.5, 1e-6, 0.5]))
    assert broken.ending == "complete"
    # The gap of the rates: beta sin(0.5) times 2e-6.
    assert broken.margins[0] == pytest.approx(2e-6 * beta * np.sin(0.5), rel=0.02)
    assert broken.log_times[1] > broken.log_times[0] + 10


def test_one_and_two_points():
    one = sim.coalesce(sim.Attention(10.0), on_circle([0.3]))
    assert repr(one) == "<Coalescence: 0 mergers of 1 points in 2 dimensions, complete, SA, beta 10>"
    assert one.ending == "complete"
    assert one.pairs.shape == (0, 2)
    np.testing.assert_allclose(one.at(3.0).points, on_circle([0.3]))
    assert one.trajectory([0.0, 1.0]).points.shape == (2, 1, 2)
    two = sim.coalesce(sim.Attention(10.0), on_circle([0.3, 0.9]))
    assert two.linkage().shape == (1, 4)
    assert np.isposinf(two.margins[0])


def test_small_beta_has_no_plateaus():
    x = sim.uniform(8, 3, seed=9)
    times = [sim.coalesce(sim.Attention(beta), x).log_times for beta in (0.0, 1e-3, 0.1)]
    assert np.ptp(times[0]) < 1
    # The flow is smooth in beta.
    np.testing.assert_allclose(times[1], times[0], atol=1e-2)
    np.testing.assert_allclose(times[2], times[0], atol=0.5)


def test_too_few_steps_end_with_what_was_found():
    x = sim.uniform(8, 3, seed=1)
    with pytest.raises(RuntimeError, match="max_steps"):
        sim.coalesce(sim.Attention(5.0), x, max_steps=3)
    result = sim.coalesce(sim.Attention(5.0), x, max_steps=3, throw=False)
    assert result.ending == "max_steps"
    assert result.clusters == 8 - len(result.log_times)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masses": [0.5, 0.6]}, "sum to 1"),
        ({"masses": [0.5, 0.25, 0.25]}, "must have shape"),
        ({"x0": np.ones((2, 2))}, "unit rows"),
        ({"merge_chord": 0.0}, "merge_chord"),
        ({"tolerance": 1.0}, "tolerance"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {"x0": on_circle([0.0, 1.0])} | change
    with pytest.raises(ValueError, match=message):
        sim.coalesce(sim.Attention(3.0), **arguments)


def test_causal_and_learned_fields_are_refused():
    x = on_circle([0.0, 1.0])
    for field in (
        sim.Attention(3.0, causal=True),
        sim.Attention(3.0, value=2 * np.eye(2)),
        sim.Attention(3.0, output_bias=np.ones(2)),
        sim.Attention(3.0, norm="pre"),
    ):
        with pytest.raises(ValueError, match="Q = K = V = I"):
            sim.coalesce(field, x)


def test_dimensions_that_nobody_uses_change_nothing():
    """Tight points at a large beta, on S^2 and on the same S^2 inside S^8: the chords go down to 1e-11."""
    random = np.random.default_rng(0)
    tight = sim.uniform(1, 3, 1) + 1e-7 * random.standard_normal((6, 3))
    x = np.concatenate([tight, sim.uniform(2, 3, 2)])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    field = sim.Attention(1e6, "SA")
    low, high = sim.coalesce(field, x), sim.coalesce(field, np.pad(x, ((0, 0), (0, 6))))
    # Chords of 1e-11 between points rounded to 1e-16 leave 1e-5 of their logarithm; later times are exact to 1e-8.
    np.testing.assert_allclose(high.log_times, low.log_times, rtol=1e-8, atol=3e-5)


def test_unfinished_runs_say_how_far_they_are_known():
    run = sim.coalesce(sim.Attention(8.0), sim.uniform(6, 3, 5), max_steps=20, throw=False)
    assert run.ending is sim.Ending.MAX_STEPS
    with pytest.raises(ValueError, match="known up to"):
        run.at(100.0)


def test_a_batch_names_the_start_that_is_a_saddle():
    starts = np.stack([sim.uniform(3, 2, 0), sim.ring(3)])
    with pytest.raises(ValueError, match="start 1 of 2"):
        sim.coalesce(sim.Attention(5.0), starts)
