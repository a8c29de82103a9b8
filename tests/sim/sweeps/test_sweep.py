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


@pytest.fixture(scope="module")
def in_32_bits():
    return sweep(
        GRID, [0.0, 1.0, 2.5], ["mean_cosine", "collapse_time"], dtype="float32", rtol=1e-5, atol=1e-6
    )


def test_float32_gives_what_its_tolerance_says(swept, in_32_bits):
    # 13 stages of a dozen steps, each within 1e-5 of a coordinate; float64 at this tolerance is as far away.
    np.testing.assert_allclose(in_32_bits["mean_cosine"], swept["mean_cosine"], atol=1e-4)
    assert (in_32_bits["reached"] == 2.5).all()
    assert '"dtype": "float32"' in in_32_bits.attrs["manifest"]


def test_float32_is_no_float64_in_disguise(swept, in_32_bits):
    wide = sweep(GRID, [0.0, 1.0, 2.5], ["mean_cosine", "collapse_time"], rtol=1e-5, atol=1e-6)
    apart = np.abs(in_32_bits["mean_cosine"] - wide["mean_cosine"]).values
    assert 1e-9 < np.max(apart) < 1e-4


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"dtype": "float32"}, "give both at least 1e-06"),
        ({"dtype": "float32", "rtol": 1e-5}, "give both at least 1e-06"),
        ({"dtype": "float16"}, "float64 or float32, got float16"),
        ({"dtype": "single precision"}, "float64 or float32"),
        ({"dtype": "float32", "rtol": 1e-5, "atol": 1e-5, "observe": "mergers"}, "mergers need float64"),
    ],
)
def test_precisions_that_are_refused(settings, word):
    with pytest.raises(ValueError, match=word):
        sweep(GRID, [0.0, 1.0], **settings)
