"""One cell of a sweep: closed forms, SciPy, and `simulate` for every norm."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sim import Attention, caps, simulate, uniform
from sim.sweeps.plan import planned
from sim.sweeps.solve import solve_one
from sim.sweeps.stepper import COLLAPSED

N, D, BETA = 6, 3, 4.0


def states(x, beta):
    """All points: what is compared with other solvers."""
    del beta
    return {"points": x}


def solved(times, observe, **changes):
    grid = {"beta": BETA, "d": D, "n": N, "seed": 3, **changes.pop("grid", {})}
    plan = planned(grid, times, observe, **changes)
    cell = plan.cell([0] * len(plan.dims))
    return solve_one(plan.problem(cell), shape=plan.shape_class(cell)), plan.start(cell)


def test_points_between_steps_and_evaluations_are_those_of_scipy():
    times = [0.0, 0.3, 0.31, 1.7, 6.0, 20.0]
    run, start = solved(times, states, rtol=1e-9, atol=1e-12)

    def velocity(t, flat):
        return np.asarray(Attention(BETA)(t, flat.reshape(N, D))).ravel()

    exact = solve_ivp(velocity, (0, 20), start.ravel(), "DOP853", times, rtol=1e-13, atol=1e-15).y.T
    # The global error of a run with 1e-9 a step.
    np.testing.assert_allclose(run.observed["points"], exact.reshape(-1, N, D), atol=2e-8)
    rival = solve_ivp(velocity, (0, 20), start.ravel(), "DOP853", rtol=1e-9, atol=1e-12)
    # SciPy's count has one start-up evaluation less; its steps differ by rounding in the error only.
    assert abs(int(run.evaluations) - rival.nfev) <= 24


def test_an_eighth_order_error():
    errors = []
    for rtol in (1e-6, 1e-9):
        run, start = solved([0.0, 5.0], states, rtol=rtol, atol=rtol * 1e-3)
        exact = simulate(Attention(BETA), start, [0.0, 5.0], rtol=1e-13, atol=1e-15).points[-1]
        errors.append((np.abs(run.observed["points"][-1] - exact).max(), int(run.evaluations)))
    (coarse, few), (fine, many) = errors
    # For order 8 the error falls by (many / few)^8 at least; 6 allows for steps that are still far from the limit.
    assert fine < coarse * (few / many) ** 6
    assert few < many < 3 * few


def test_the_time_of_collapse_of_two_tokens_without_temperature():
    """theta' = -sin theta for two tokens at beta = 0 at distance theta: tan(theta / 2) falls like e^(-t)."""
    run, start = solved([0.0, 30.0], "collapse_time", grid={"beta": 0.0, "n": 2})
    half = np.arccos(np.clip(start[0] @ start[1], -1, 1)) / 2
    closed = np.log(np.tan(half) / np.tan(np.arccos(COLLAPSED) / 2))
    # An error of 1e-8 in the cosine over its speed there, 2e-3.
    assert float(run.collapse) == pytest.approx(closed, abs=2e-6)
    assert float(run.reached) < 30, "nothing is left to see behind the collapse"


def test_collapse_is_missing_where_it_does_not_happen_and_at_the_start_where_it_has():
    apart, _ = solved([0.0, 0.1], "collapse_time")
    assert np.isnan(apart.collapse)
    together, _ = solved(
        [2.0, 3.0], "collapse_time", start=lambda n, d, seed: caps(np.eye(1, d), n, 1e-6, seed)
    )
    assert float(together.collapse) == 2.0
    assert int(together.evaluations) == 2


@pytest.mark.parametrize(
    ("norm", "kind", "causal", "more"),
    [
        ("post", "USA", True, {}),
        ("pre", "SA", False, {}),
        ("peri", "SA", False, {}),
        ("mix", "SA", False, {"tau": 1.3}),
        ("ngpt", "SA", False, {"alpha": 0.2}),
        ("sqrt", "USA", False, {}),
    ],
)
def test_every_norm_runs_as_in_simulate(norm, kind, causal, more):
    times = [1.0, 1.3, 2.0, 4.0]
    run, start = solved(times, states, grid={"norm": norm, "kind": kind, "causal": causal}, **more)
    alone = simulate(Attention(BETA, kind, causal, norm=norm, **more), start, times)
    # Tolerances of 1e-8 a step against 1e-9.
    np.testing.assert_allclose(run.observed["points"], alone.points, atol=1e-6)


def test_a_field_that_is_not_finite_ends_at_its_start():
    run, _ = solved([0.0, 1.0], states, start=lambda n, d, seed: uniform(n, d, seed), grid={"beta": 1e308})
    assert float(run.reached) <= 1.0
    assert jnp.isfinite(run.observed["points"][0]).all()
