"""P19: fresh weights bring tokens together by noise at the law's rate, and not otherwise."""

import numpy as np
import pytest
import xarray as xr

from compare.judging.evidence import NotApplicable, balance, decide
from compare.judging.group import Group, MeasuredRun
from compare.judging.hypotheses.random_weights import HYPOTHESIS
from compare.statistics import RATE
from tests.helpers.judged_runs import RUNS, around, model_run


def table(gain=0.95, drift=0.0, spread=0.2, moved=0.2, shared=0):
    return xr.Dataset(
        {
            "gain": ("text", around(gain)),
            "drift": ("text", around(drift, spread)),
            "whole_gain": ("text", np.full(RUNS, 3.0)),
            "foretold_rise": (("text", "block"), np.full((RUNS, 4), moved / 4)),
        },
        coords={"text": [f"text {place}" for place in range(RUNS)]},
        attrs={"shared": shared},
    )


def evidence(known, init="random", prompt="text"):
    made = [model_run(f"{prompt} {place}", 0.0, init, seed=place) for place in range(RUNS)]
    runs = tuple(MeasuredRun.of(str(place), *run) for place, run in enumerate(made))
    tables = {"net": {} if known is None else {"random_weights": known}}
    return HYPOTHESIS.evidence(Group("net", runs, tables=tables), HYPOTHESIS.at)


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (table(), "CONFIRMED"),
        (table(gain=2.0), "REFUTED"),  # as fast as V = I is, in the step and not its square
        (table(gain=0.5), "REFUTED"),
        (table(drift=1.0), "REFUTED"),
        (table(spread=2.0), "UNDECIDED"),
    ],
)
def test_the_law_can_lose(known, verdict):
    assert decide(balance(evidence(known)), RATE / 2) == verdict


def test_it_is_the_runs_own_texts_that_count():
    mixed = table().isel(text=slice(None, None, -1))
    np.testing.assert_allclose(evidence(mixed).claims[0].values, around(0.95))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"known": table(), "init": "trained"}, "no run has them"),
        ({"known": None}, "not at hand"),
        ({"known": table(shared=1)}, "one block again and again"),
        ({"known": table(moved=0.001)}, "hardly moves"),
        ({"known": table(), "prompt": "other"}, "whose blocks are read"),
    ],
)
def test_where_it_says_nothing(arguments, why):
    with pytest.raises(NotApplicable, match=why):
        evidence(**arguments)
