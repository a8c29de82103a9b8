"""H4 tells of the heads' own energies only where the table is of these very runs."""

from unittest import mock

import numpy as np
import pytest
import xarray as xr

from compare.judging.group import Group, MeasuredRun
from compare.judging.hypotheses.energy import HYPOTHESIS
from tests.helpers.judged_runs import RUNS, model_run, seen_falls

READ = {"instrument": "probe.extract", "causal": True}


def note(**facts):
    made = [model_run(f"text {place}", 0.0, **READ | facts) for place in range(RUNS)]
    runs = tuple(MeasuredRun.of(str(place), *run) for place, run in enumerate(made))
    table = xr.Dataset(
        {
            "change": (("depth", "head", "step"), np.array([[[1.0, -1], [-1, -1]], [[1, 1], [1, -1]]])),
            "sum_change": (("depth", "step"), np.array([[1.0, -1.0], [1.0, -1.0]])),
        },
        coords={"step": ["attention", "block"]},
        attrs={"causal": 1},
    )
    with mock.patch("compare.judging.hypotheses.energy.fallen", seen_falls):
        found = HYPOTHESIS.evidence(Group("net", runs, tables={"net": {"head_energy": table}}), HYPOTHESIS.at)
    np.testing.assert_array_equal(found.claims[0].values, 0)  # the effect is that of the run's own energy
    return found.note


def test_falls_of_heads_stand_beside_the_effect():
    assert "falls in 25 % of the blocks over their attention, and the sum over heads in 0 %" in note()
    assert note().endswith("over whole blocks in 75 % and 100 %")


@pytest.mark.parametrize(
    "facts",
    [
        {"causal": False},
        {"instrument": "probe.dynamics.layer_by_layer"},
        {"init": "random"},
        {"model": "other"},
    ],
)
def test_they_are_of_the_model_as_it_reads(facts):
    assert "own Q and K" not in note(**facts)
