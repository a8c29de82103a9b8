"""Theory and models on one axis: means, intervals, the model's own clock, and what cannot stand side by side."""

import json

import numpy as np
import pytest
import xarray as xr

from compare import plot
from compare.statistics import t_interval
from tests.helpers.drawn import corners, line


def measured(values, places, axis="time", **facts):
    name = xr.Variable("depth", np.asarray(values, float), {"long_name": "mean cosine", "units": "1"})
    attributes = {"axis": axis, "provenance": json.dumps(facts)}
    return xr.Dataset({"mean_cosine": name}, coords={"depth": np.asarray(places, float)}, attrs=attributes)


TIMES = [0.0, 0.1, 1.0, 100.0]
THEORY = [measured([0.0, 0.1, 0.5, 1.0], TIMES), measured([0.1, 0.1, 0.7, 1.0], TIMES)]
MODEL = [measured([0.0, 0.2, 0.4], range(3), axis="layer")]


def test_a_model_stands_at_the_times_that_its_layers_are_worth():
    axes = plot.overlay({"SA": THEORY, "net": MODEL}, "mean_cosine", times={"net": np.array([0.0, 0.6, 1.1])})
    theory, model = axes.lines
    np.testing.assert_allclose(line(theory), [TIMES, [0.05, 0.1, 0.6, 1.0]])
    np.testing.assert_allclose(line(model), [[0.0, 0.6, 1.1], [0.0, 0.2, 0.4]])
    assert model.get_marker() not in ("", "None")
    assert [axes.get_xlabel(), axes.get_ylabel()] == ["time t of SA", "mean cosine"]
    assert axes.get_legend_handles_labels()[1] == ["SA", "net"]


def test_the_band_is_the_interval_over_the_runs_at_each_depth():
    axes = plot.overlay({"SA": THEORY}, "mean_cosine")
    (band,) = axes.collections
    x, y = corners(band).T
    at_one = y[np.isclose(x, 1.0)]
    np.testing.assert_allclose([at_one.min(), at_one.max()], t_interval([0.5, 0.7]))


def test_models_alone_are_drawn_over_layers():
    axes = plot.overlay({"net": MODEL}, "mean_cosine")
    assert axes.get_xlabel() == "layer (0: embedding)"
    np.testing.assert_allclose(line(axes.lines[0])[0], [0, 1, 2])


def test_what_has_no_place_on_the_axis_is_refused():
    with pytest.raises(ValueError, match="give their 3 times, got none"):
        plot.overlay({"SA": THEORY, "net": MODEL}, "mean_cosine")
    with pytest.raises(ValueError, match="give their 3 times, got 2"):
        plot.overlay({"SA": THEORY, "net": MODEL}, "mean_cosine", times={"net": np.arange(2.0)})
    with pytest.raises(ValueError, match="log t"):
        plot.overlay({"SA": [measured([0, 1], [0, 9], depth="log t")]}, "mean_cosine")
    with pytest.raises(ValueError, match="different depths"):
        plot.overlay({"SA": [THEORY[0], measured([0, 1], [0, 9])]}, "mean_cosine")
    with pytest.raises(ValueError, match="energy is not one number a depth: choose of mean_cosine"):
        plot.overlay({"SA": THEORY}, "energy")
