"""What all experiments on trained models share: the models, and intervals over texts."""

import numpy as np
import xarray as xr

from compare.experiments.shared.embedded import embedded
from compare.experiments.shared.over_texts import stated, with_interval
from compare.statistics import t_interval


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
