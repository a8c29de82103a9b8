"""Exchanged value matrices: planted strengths, speeds and fits, and the sentence's table."""

import numpy as np
import pytest
import xarray as xr

import sim
from compare.experiments import value_matrices as of_matrices
from compare.experiments.value_matrices import fit, speed, wider
from compare.metrics.pairwise import kept
from compare.study.subjects import default_texts
from probe.counterfactual import counterfactual
from probe.dynamics import layer_by_layer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def matrices():
    return of_matrices.run(0, True)


@pytest.mark.parametrize(
    ("kind", "factor"), [("zero", 0), ("halved", 0.5), ("doubled", 2), ("sign flipped", -1)]
)
def test_a_strength_multiplies_what_is_written_but_the_push(kind, factor):
    random = np.random.default_rng(1)
    query, key, value = random.standard_normal((3, 2, 3, 6))
    operators = {"query": query, "key": key, "value": value, "output": random.standard_normal((2, 6, 3))}
    bias = random.standard_normal((2, 3))
    plain, pushed = sim.Attention(1.0, **operators), sim.Attention(1.0, value_bias=bias, **operators)
    x = sim.uniform(5, 6, 2)
    push = np.asarray(pushed.attend(x)) - np.asarray(plain.attend(x))
    assert np.abs(push).max() > 0.1
    changed = np.asarray(counterfactual(pushed, kind).attend(x))
    # float64 sums of a few dozen terms of order 1
    np.testing.assert_allclose(changed, factor * np.asarray(plain.attend(x)) + push, atol=1e-12)


def test_speed_of_a_planted_collapse():
    layer = np.arange(13)
    slow, fast, gone = 1 - 0.9 * np.exp(-0.3 * layer), 1 - np.exp(-2.0 * layer), np.ones(13)
    found = speed(xr.DataArray([slow, fast, gone], dims=("text", "layer")))
    # 1 - cosine keeps 11 digits down to 1e-5, below which depths are left out
    np.testing.assert_allclose(found[:2], [0.3, 2.0], rtol=1e-9)
    assert np.isnan(found[2])


def test_the_fit_is_one_for_an_exponential_alone():
    layer = np.arange(13)
    exponential, there_and_back = 1 - 0.9 * np.exp(-0.3 * layer), 0.9 - 0.1 * np.abs(layer - 6)
    found = fit(xr.DataArray([exponential, there_and_back, np.ones(13)], dims=("text", "layer")))
    # sums of 13 terms of order 1
    np.testing.assert_allclose(found[:2], [1, 0], atol=1e-12)
    assert np.isnan(found[2])


def test_matrices_have_the_radii_of_their_kinds(matrices):
    radius = matrices["spectral_radius"]
    own = radius.sel(matrix="as trained")
    for kind, factor in (("sign flipped", 1), ("halved", 0.5), ("doubled", 2), ("zero", 0)):
        np.testing.assert_allclose(radius.sel(matrix=kind), factor * own, rtol=1e-9)


def test_trained_matrices_give_the_learned_dynamics(matrices):
    text = default_texts()[1]
    run = layer_by_layer("albert-128", text.text, max_tokens=32)
    cloud = run.points[-1, kept(run, None)]
    pairs = np.triu_indices(len(cloud), 1)
    told = matrices["mean_cosine"].sel(model="albert-128", matrix="as trained", text=text.name).isel(layer=-1)
    assert float(told) == pytest.approx((cloud @ cloud.T)[pairs].mean(), abs=1e-12)
    assert (matrices["mean_cosine"].isel(layer=0).std("matrix") < 1e-12).all()


def test_the_sentence_on_matrices_follows_the_table(matrices):
    assert of_matrices.finding(matrices) == matrices.attrs["finding"]
    spread = 1 + 0.01 * xr.DataArray(np.arange(2), dims="text")
    ruled = matrices.assign(speed=0.1 * matrices["spectral_radius"] * spread)
    assert "radius of O V over 9 matrices: 1.00 (" in of_matrices.finding(ruled)
    assert "the slowest is: zero" in of_matrices.finding(ruled)
    assert "2.00 with its own V; all 9 matrices: 2.00" in of_matrices.finding(
        matrices.assign(fit=2 + 0 * matrices["fit"])
    )
    doubled = matrices.assign(speed=matrices["width"] * (1 + 0 * matrices["speed"]) * spread)
    assert "slower than the narrow one with 0 of the 9 kinds of V and faster with 9." in of_matrices.finding(
        doubled
    )
    assert float(wider(doubled).isel(text=0, matrix=0)) == 384 - 128


def test_the_figure_of_matrices_is_made_from_the_table_alone(matrices):
    assert len(of_matrices.EXPERIMENT.draw(matrices).axes) == 4
