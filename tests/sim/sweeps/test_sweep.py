"""The sweep against single simulations."""

import numpy as np
import pytest

from sim import Attention, energy, simulate, uniform
from sim.sweeps.sweep import sweep

GRID = {"beta": [0.5, 4.0], "d": [2, 9], "n": 5, "seed": [3, 4]}


@pytest.fixture(scope="module")
def swept():
    return sweep(GRID, [0.0, 1.0, 2.5])


def test_equals_single_simulations_in_all_dimensions(swept):
    assert dict(swept.sizes) == {"kind": 1, "n": 1, "d": 2, "beta": 2, "seed": 2, "time": 3}
    for d, beta, seed in [(2, 4.0, 3), (9, 0.5, 4), (9, 4.0, 3)]:
        alone = simulate(Attention(beta, "SA"), uniform(5, d, seed), [0.0, 1.0, 2.5])
        cosines = alone.points @ np.swapaxes(alone.points, 1, 2)
        chosen = swept.sel(kind="SA", n=5, d=d, beta=beta, seed=seed)
        # The sweep's tolerance is 1e-8 a step; for d = 9 > n it runs in the 5 dimensions that the start spans.
        np.testing.assert_allclose(chosen["mean_cosine"], (cosines.sum(axis=(1, 2)) - 5) / 20, atol=1e-6)
        np.testing.assert_allclose(chosen["energy"], energy(alone.points, beta), atol=1e-6)
    assert (swept["reached"] == 2.5).all()


def test_observations_after_the_last_step_are_missing():
    short = sweep({"beta": [2.0], "d": 2, "n": 5}, [0.0, 1e-3, 50.0], max_steps=3).squeeze()
    assert np.isfinite(short["energy"][0])
    assert np.isnan(short["energy"][-1])
    assert short["reached"] < 50


@pytest.mark.parametrize(
    ("grid", "times", "word"),
    [
        ({**GRID, "gamma": 1}, [0, 1], "gamma"),
        ({"beta": 1.0, "d": 2}, [0, 1], "beta, d, n"),
        ({**GRID, "d": [2, 2]}, [0, 1], "d must be"),
        ({**GRID, "n": 1}, [0, 1], "n must be"),
        ({**GRID, "beta": [-1.0]}, [0, 1], "beta"),
        ({**GRID, "kind": "XA"}, [0, 1], "kind"),
        (GRID, [0, 0], "increasing"),
    ],
)
def test_bad_grids(grid, times, word):
    with pytest.raises(ValueError, match=word) as caught:
        sweep(grid, times)
    assert "\n" not in str(caught.value)
