"""Simulations by fast sums against `simulate`, against the growth rates of the uniform law, and where they end."""

import numpy as np
import pytest

import sim
from compare import theory
from sim import Attention, simulate_mean_field


def on_circle(angles):
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


@pytest.mark.parametrize(
    ("d", "field"),
    [
        (2, Attention(4.0)),
        (3, Attention(9.0, "USA")),
        (3, Attention(2.0, "USA", clock="survey")),
        (2, Attention(0.0)),
    ],
    ids=["SA", "USA", "survey", "beta 0"],
)
def test_runs_are_those_of_simulate(d, field):
    masses = np.arange(1.0, 61.0) / np.arange(1.0, 61.0).sum()
    start, times = sim.uniform(60, d, seed=0), [0.0, 0.4, 1.0]
    tight = {"masses": masses, "rtol": 1e-11, "atol": 1e-13}
    fast, plain = (
        simulate_mean_field(field, start, times, **tight),
        sim.simulate(field, start, times, **tight),
    )
    np.testing.assert_allclose(
        fast.points, plain.points, rtol=0, atol=1e-9
    )  # of errors of 1e-11 a step, grown
    shared = {"kind", "beta", "clock", "norm", "outcome", "rtol"}
    assert {key: fast.provenance[key] for key in shared} == {key: plain.provenance[key] for key in shared}
    assert 0 < fast.provenance["velocity_error"] < 1e-11


@pytest.mark.parametrize(("kind", "clock"), [("SA", "metastability"), ("USA", "survey")])
@pytest.mark.parametrize("beta", [5.0, 7.0])
def test_harmonics_of_the_circle_grow_at_their_rates(kind, clock, beta):
    degree = int(theory.cluster_count(beta))
    rate = float(theory.growth_rate(degree, beta, 2, kind, clock))
    grid = 2 * np.pi * np.arange(4096) / 4096
    start = on_circle(grid + 1e-6 * np.sin(degree * grid))
    run = simulate_mean_field(
        Attention(beta, kind, clock=clock), start, [0.0, 2 / rate], rtol=1e-13, atol=1e-14
    )
    sizes = [abs(np.mean((x[:, 0] + 1j * x[:, 1]) ** degree)) for x in run.points]
    # second order in an amplitude of 1e-5 at the end, and rounding of 1e-14 against one of 1e-6
    np.testing.assert_allclose(np.log(sizes[1] / sizes[0]) / 2, 1, rtol=1e-6)


def test_the_same_start_gives_the_same_bytes():
    start = sim.uniform(3000, 3, seed=5)
    one, other = (simulate_mean_field(Attention(9.0), start, [0.0, 1.0, 3.0]) for _ in range(2))
    np.testing.assert_array_equal(one.points, other.points)


def test_a_plateau_ends_the_run_and_consensus_does_not():
    """Two clusters at a right angle pull each other by e^-50; tokens of one cluster come together and stay."""
    start, times = on_circle(np.array([0.0, 1e-3, np.pi / 2, np.pi / 2 + 1e-3])), [0.0, 10.0, 60.0]
    steep = Attention(50.0)
    with pytest.raises(RuntimeError, match=r"the tokens stand still .* is for sim\.coalesce"):
        simulate_mean_field(steep, start, times)
    cut = simulate_mean_field(steep, start, times, throw=False)
    assert cut.provenance["outcome"] == sim.Outcome.PLATEAU
    np.testing.assert_array_equal(cut.depth, times[:2])
    between = simulate_mean_field(steep, start, [0.0, 1e6], throw=False)
    assert between.provenance["outcome"] == sim.Outcome.PLATEAU
    assert between.provenance["reached"] < 1e3
    np.testing.assert_array_equal(between.depth, [0])
    whole = simulate_mean_field(steep, start[:2], times)
    assert whole.provenance["outcome"] == sim.Outcome.SUCCESS
    assert np.linalg.norm(whole.points[-1, 0] - whole.points[-1, 1]) < 1e-6  # the tolerance of a step


def test_the_uniform_grid_rests_and_says_so():
    grid = on_circle(2 * np.pi * np.arange(64) / 64)
    with pytest.raises(RuntimeError, match="from t = 0 of 1 on the tokens stand still"):
        simulate_mean_field(Attention(5.0), grid, [0.0, 1.0])


def test_too_few_steps():
    start = sim.uniform(50, 2, seed=0)
    with pytest.raises(RuntimeError, match="2 steps reached only t = "):
        simulate_mean_field(Attention(5.0), start, [0.0, 30.0], max_steps=2)
    cut = simulate_mean_field(Attention(5.0), start, [0.0, 30.0], max_steps=2, throw=False)
    assert cut.provenance["outcome"] == sim.Outcome.MAX_STEPS
    assert len(cut.points) == 1


@pytest.mark.parametrize(
    "field",
    [
        Attention(1.0, causal=True),
        Attention(1.0, norm="pre"),
        Attention(1.0, value=-np.eye(2)),
    ],
    ids=["causal", "pre", "V"],
)
def test_other_fields_are_refused(field):
    with pytest.raises(ValueError, match=r"identity operators, norm='post' and no mask: use sim\.simulate"):
        simulate_mean_field(field, sim.ring(4), [0.0, 1.0])


@pytest.mark.parametrize(("given", "complaint"), [({"rtol": 0.0}, "rtol"), ({"max_steps": 0}, "max_steps")])
def test_impossible_tolerances(given, complaint):
    with pytest.raises(ValueError, match=complaint):
        simulate_mean_field(Attention(1.0), sim.ring(4), [0.0, 1.0], **given)
