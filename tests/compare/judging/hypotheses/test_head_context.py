"""P11 is described, with what N_eff says of the heads."""

import pytest

from compare.judging.evidence import Undecided
from compare.judging.group import Group, MeasuredRun
from compare.judging.hypotheses.head_context import HYPOTHESIS
from tests.helpers.judged_runs import RUNS, model_run, model_tables


def described(tables):
    made = [model_run(f"text {place}", 0.0) for place in range(RUNS)]
    runs = tuple(MeasuredRun.of(str(place), *run) for place, run in enumerate(made))
    with pytest.raises(Undecided) as caught:
        HYPOTHESIS.evidence(Group("net", runs, tables={"net": tables}), HYPOTHESIS.at)
    return str(caught.value)


def test_heads_that_give_themselves_what_is_foretold():
    tables = model_tables(1, 1)["net 0"]
    assert "100 % give themselves the weight 1/(1 + N_eff) within a factor of 2" in described(tables)
    elsewhere = tables["heads"].assign(self_weight=tables["heads"]["self_weight"] / 10)
    said = described(tables | {"heads": elsewhere})
    assert "0 % give themselves" in said
    number = tables["heads"]["effective_tokens"].median("text")
    assert f"N_eff = {float(number.median()):.2g} tokens" in said
