"""The law is drawn over a model with random weights, and its page has it."""

import numpy as np
import pytest
import xarray as xr

from compare.reporting.charts import picture
from compare.reporting.random_weight_charts import random_weight_charts


@pytest.mark.parametrize("shared", [0, 1])
def test_random_weights_and_the_law(shared):
    rise = np.full((3, 4), 0.1)
    table = xr.Dataset(
        {
            "mean_cosine": (("text", "depth"), np.tile(np.linspace(0.1, 0.6, 5), (3, 1))),
            "law": (("text", "depth"), np.tile(np.linspace(0.1, 0.5, 5), (3, 1))),
            **dict.fromkeys(("attention_rise", "even_rise", "foretold_rise"), (("text", "block"), rise)),
        },
        coords={"depth": np.arange(5.0), "block": np.arange(1.0, 5)},
        attrs={"shared": shared},
    )
    whole, attention = random_weight_charts("net", table)
    drawn, law, *texts = whole.series
    np.testing.assert_allclose(np.asarray(drawn.y)[-1], 0.6)
    np.testing.assert_allclose(np.asarray(law.y)[-1], 0.5)
    assert len(texts) == 3
    np.testing.assert_allclose([np.asarray(one.y)[-1] for one in attention.series], 0.4)
    assert ("same weights" in picture(whole).caption) == bool(shared)
