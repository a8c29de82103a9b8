"""Longer texts: the start of a long one, a planted slope in log n, and the sentence's table."""

import numpy as np
import pytest
import xarray as xr

import probe
from compare.experiments import lengths as of_lengths
from compare.experiments.lengths import growth
from compare.metrics.exclusions import exclude
from compare.metrics.pairwise import mean_gap

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lengths():
    return of_lengths.run(0, True)


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


def test_the_figure_of_lengths_is_made_from_the_table_alone(lengths):
    assert len(of_lengths.EXPERIMENT.draw(lengths).axes) == 8
