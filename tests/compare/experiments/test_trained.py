"""Experiments on trained models: strengths of V, speeds, returns and slopes that are planted, each sentence's table."""

import numpy as np
import pytest
import xarray as xr

import probe
import sim
from compare.experiments import iterated as of_iterated
from compare.experiments import lengths as of_lengths
from compare.experiments import value_matrices as of_matrices
from compare.experiments.iterated import falls, nearest_return, turned_angle
from compare.experiments.lengths import growth
from compare.experiments.shared.embedded import embedded
from compare.experiments.shared.over_texts import stated, with_interval
from compare.experiments.value_matrices import fit, speed, wider
from compare.metrics.exclusions import exclude
from compare.metrics.pairwise import kept, mean_cosine, mean_gap
from compare.statistics import t_interval
from compare.study.subjects import default_texts
from probe.counterfactual import counterfactual
from probe.dynamics import layer_by_layer


@pytest.fixture(scope="module")
def matrices():
    return of_matrices.run(0, True)


@pytest.fixture(scope="module")
def iterated():
    return of_iterated.run(0, True)


@pytest.fixture(scope="module")
def lengths():
    return of_lengths.run(0, True)


def test_the_models_are_those_at_the_end_of_training():
    assert set(embedded()) == {"gpt2-128", "bert-128", "albert-128", "albert-384"}
    assert embedded("albert") == ["albert-128", "albert-384"]


def test_intervals_are_over_texts():
    rows = np.random.default_rng(0).standard_normal((5, 2, 3))
    rows[0, 1, 2] = np.nan
    found = with_interval(xr.DataArray(rows, dims=("text", "model", "layer")))
    low, high = t_interval(rows[:, 1, 0])
    here = found.isel(model=1, layer=0)
    assert (float(here["low"]), float(here["high"])) == (low, high)
    assert np.isnan(found.isel(model=1, layer=2).to_array()).all()
    assert found["mean"].notnull().sum() == 5
    # Student's quantile for 3 numbers, 4.303, times 1 / sqrt(3)
    assert stated(xr.DataArray([1.0, 2.0, 3.0], dims="text")) == "2.00 (-0.48 to 4.48)"
    assert stated(xr.DataArray([-0.004, -0.003], dims="text")) == "0.00 (-0.01 to 0.00)"


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


def test_iterations_go_on_from_the_native_depth(iterated):
    text = default_texts()[0]
    own = probe.extract("albert-384", text.text, "layernorm", max_tokens=48)
    told = iterated["mean_cosine"].sel(
        model="albert-384", weights="trained", text=text.name, iteration=range(13)
    )
    # the same block on the same states in single precision
    np.testing.assert_allclose(told, mean_cosine(own.points[:, kept(own, None)]), atol=1e-5)
    assert (iterated["native"] == 12).all()


def test_angles_and_returns_of_tokens_that_go_round():
    turn = 2 * np.pi / 5 * np.arange(41)
    round_and_round = np.stack([np.cos(turn), np.sin(turn)], axis=-1)[:, None]
    straight = np.stack([np.cos(turn / 100), np.sin(turn / 100)], axis=-1)[:, None]
    found = [
        [turned_angle(points, lag).mean() for lag in range(1, 21)] for points in (round_and_round, straight)
    ]
    # five steps are a full turn; chords of unit vectors are good to 1e-15
    np.testing.assert_allclose(found[0][:5], 2 * np.pi / 5 * np.array([1, 2, 2, 1, 0]), atol=1e-12)
    back = nearest_return(
        xr.Dataset({"returned": (("text", "lag"), found)}, coords={"lag": np.arange(1, 21)})
    ).values
    np.testing.assert_allclose(back, [0, 2], atol=1e-9)


def test_falls_count_beyond_native_depth_alone():
    energy = [0.5, 0.1, 0.4, 0.3, 0.6]  # beyond depth 2: down by 0.1, up by 0.3
    table = xr.Dataset({"energy": ("iteration", energy), "native": 2}, coords={"iteration": range(5)})
    assert float(falls(table)) == pytest.approx(0.25)


def test_the_sentence_on_iterations_follows_the_table(iterated):
    assert of_iterated.finding(iterated) == iterated.attrs["finding"]
    spread = 1 - 1e-4 * (1 + xr.DataArray(np.arange(3), dims="text"))
    gone = iterated.assign(mean_cosine=spread + 0 * iterated["mean_cosine"])
    assert "albert-384 has collapsed by block 60" in of_iterated.finding(gone)
    lag, part = iterated["lag"], 1 + 0.01 * xr.DataArray(np.arange(3), dims="text")
    cycle = iterated.assign(returned=(lag % 4 + 0.1) * part + 0 * iterated["returned"])
    assert "and tokens come back" in of_iterated.finding(cycle)
    assert "after 4 to 4 blocks" in of_iterated.finding(cycle)
    drift = iterated.assign(returned=lag * part + 0 * iterated["returned"])
    assert "and tokens drift on" in of_iterated.finding(drift)


def test_what_the_interval_leaves_open_is_said_to_be_open(iterated):
    text = xr.DataArray(np.arange(3), dims="text")
    around = iterated.assign(mean_cosine=0.985 + 0.005 * text + 0 * iterated["mean_cosine"])
    told = of_iterated.finding(around)
    assert "It is not clear whether albert-384 has collapsed by block 60 (mean cosine above 0.99)" in told
    below = iterated.assign(mean_cosine=0.5 + 0.001 * text + 0 * iterated["mean_cosine"])
    assert "albert-384 has not collapsed by block 60" in of_iterated.finding(below)
    steps = (iterated["lag"] == 1) + (iterated["lag"] > 1) * (0.5 + 0.5 * text)
    told = of_iterated.finding(iterated.assign(returned=steps + 0 * iterated["returned"]))
    assert "it is not clear whether tokens come back" in told
    assert "after" not in told


def test_a_causal_model_reads_a_short_text_as_the_start_of_a_long_one(lengths):
    prompt = next(prompt for prompt in probe.prompts().values() if prompt.length == "long")
    long = probe.extract("gpt2-128", prompt.text, "layernorm", max_tokens=64)
    short = probe.extract("gpt2-128", prompt.text, "layernorm", max_tokens=32)
    start = long.points[-1:, :32][:, exclude(short).kept]
    told = lengths["mean_cosine"].sel(model="gpt2-128", weights="trained", text=prompt.name, length=32)
    # single precision, and products of other shapes
    assert float(told) == pytest.approx(1 - mean_gap(start)[0], abs=1e-4)


def test_growth_is_the_slope_in_log_n():
    context = xr.DataArray(np.log([[32.0, 64, 128], [30, 60, 120]]), dims=("text", "length"))
    table = xr.Dataset({"beta": 3 + 0.7 * context, "log_context": context})
    np.testing.assert_allclose(growth(table, "beta"), [0.7, 0.7], rtol=1e-12)


def test_the_sentence_on_lengths_follows_the_table(lengths):
    assert of_lengths.finding(lengths) == lengths.attrs["finding"]
    spread = 1 + 0.01 * xr.DataArray(np.arange(3), dims="text")
    ruled = lengths.assign(beta=0.5 * lengths["log_context"] + spread + 0 * lengths["beta"])
    assert "0.50 (0.50 to 0.50) a unit of log n" in of_lengths.finding(ruled)
    assert (lengths["merging_heads"] <= 1).all()
    np.testing.assert_allclose(
        lengths["log_context"].sel(model="albert-128").isel(weights=0, text=0), np.log([32, 64]), rtol=1e-12
    )


def test_the_figure_of_matrices_is_made_from_the_table_alone(matrices):
    assert len(of_matrices.EXPERIMENT.draw(matrices).axes) == 4


def test_the_figure_of_iterated_is_made_from_the_table_alone(iterated):
    assert len(of_iterated.EXPERIMENT.draw(iterated).axes) == 6


def test_the_figure_of_lengths_is_made_from_the_table_alone(lengths):
    assert len(of_lengths.EXPERIMENT.draw(lengths).axes) == 6
