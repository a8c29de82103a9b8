"""What the flow conserves, commutes with and never does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from tests.helpers.four_tokens import START, circle, tight


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31), beta=st.floats(0, 6), kind=st.sampled_from(["SA", "USA"]))
def test_symmetries_of_the_flow(seed, beta, kind):
    """Rotations and reorderings commute with the flow, equal tokens stay equal, lengths are 1, E never falls."""
    random = np.random.default_rng(seed)
    x = np.asarray(sim.uniform(4, 4, seed))[[0, 1, 2, 0]]
    field, times = sim.Attention(beta, kind), [0, 0.5, 2]
    run = tight(field, x, times)
    np.testing.assert_array_equal(run.points[:, 0], run.points[:, 3])
    np.testing.assert_allclose(np.linalg.norm(run.points, axis=-1), 1, atol=1e-15)
    assert run.provenance["drift"] < 1e-10
    assert np.all(np.diff(sim.energy(run.points, beta)) > -1e-14)
    # Steps are controlled to 1e-12; places where tokens part magnify that.
    rotation = np.linalg.qr(random.standard_normal((4, 4)))[0]
    turned = tight(field, x @ rotation, times)
    np.testing.assert_allclose(turned.points, run.points @ rotation, atol=1e-10)
    order = random.permutation(4)
    shuffled = tight(field, x[order], times)
    np.testing.assert_allclose(shuffled.points, run.points[:, order], atol=1e-10)


def test_consensus_conserves_cross_ratios():
    run = tight(sim.Attention(0.0), START, [0, 1.0, 3.0])
    chords = np.linalg.norm(run.points[:, :, None] - run.points[:, None], axis=-1)
    first = chords[:, 0, 1] * chords[:, 2, 3] / (chords[:, 0, 2] * chords[:, 1, 3])
    np.testing.assert_allclose(first, 3.2044740857202325054, rtol=1e-10)
    second = chords[:, 0, 2] * chords[:, 1, 3] / (chords[:, 0, 1] * chords[:, 2, 3])
    np.testing.assert_allclose(second, 0.31206368759734925066, rtol=1e-10)


def test_tokens_weigh_as_their_masses():
    masses = np.array([0.4, 0.2, 0.2, 0.2])
    apart = tight(sim.Attention(3.0), START[[0, 1, 0, 2, 3]], [0, 1, 4])
    joined = tight(sim.Attention(3.0), START, [0, 1, 4], masses)
    np.testing.assert_array_equal(apart.points[:, 0], apart.points[:, 2])
    np.testing.assert_allclose(apart.points[:, [0, 1, 3, 4]], joined.points, atol=1e-11)
    np.testing.assert_array_equal(joined.masses, masses)


def test_without_temperature_both_kinds_are_the_same():
    runs = [tight(sim.Attention(0.0, kind), START, [0, 1, 4]) for kind in ("SA", "USA")]
    np.testing.assert_allclose(runs[0].points, runs[1].points, atol=1e-11)


def test_causal_tokens_do_not_see_later_ones():
    field = sim.Attention(3.0, causal=True)
    run = tight(field, START, [0, 1, 4])
    changed = np.concatenate([START[:3], -START[:1]])
    other = tight(field, changed, [0, 1, 4])
    np.testing.assert_allclose(other.points[:, :3], run.points[:, :3], atol=1e-11)
    np.testing.assert_allclose(run.points[:, 0], np.repeat(START[None, 0], 3, axis=0), atol=1e-15)
    assert np.linalg.norm(other.points[-1, 3] - run.points[-1, 3]) > 0.1


@pytest.mark.parametrize("arguments", [{}, {"kind": "USA"}, {"causal": True}])
def test_tokens_in_a_hemisphere_do_not_leave_it(arguments):
    x = np.asarray(sim.uniform(4, 4, seed=4))
    pole = np.eye(4)[0]
    x = np.where((x @ pole < 0)[:, None], -x, x)
    run = tight(sim.Attention(2.0, **arguments), x, np.linspace(0, 6, 13))
    lowest = np.min(run.points @ pole, axis=1)
    assert lowest[0] > 0
    assert np.all(np.diff(lowest) > -1e-13)
    assert lowest[-1] > lowest[0] + 0.01


def test_antipodes_stand_still():
    run = sim.simulate(sim.Attention(1.0), circle(0, np.pi)[[0, 1, 0, 1]], [0, 10])
    # Round-off grows at the rate 1 - tanh(1), tenfold in this time.
    np.testing.assert_allclose(run.points[-1], run.points[0], atol=1e-14)


def test_repulsion_stays_on_the_sphere():
    eye = np.eye(4)
    run = sim.simulate(sim.Attention(2.0, query=eye, key=eye, value=-eye), START, [0, 10, 20])
    assert run.provenance["drift"] < 1e-9
