"""H6 is refuted only where the attention at hand would have shown a preference for clusters."""

import pytest

import compare
from compare.calibration.generator import Shape, group
from compare.calibration.registry import GENERATORS


def row(name, number):
    runs = group(GENERATORS[name], 5, number, Shape(7, 48, 7))
    return compare.judge({"runs": runs}, draws=19, hypotheses="H6").row("H6", "runs")


def test_attention_that_clusters_do_not_move_is_refuted_as_far_as_it_would_show():
    found = row("blind", 0)
    assert found.verdict == "REFUTED"
    assert found.reach is not None
    assert found.reach["limit"] == 0.05
    assert "preferences for the own cluster, in every head, of 5 % of what tokens give to other" in found.why
    assert "of smaller ones, and of single heads, nothing is said" in found.why


@pytest.mark.parametrize("number", [0, 2])
def test_attention_along_the_text_hides_a_preference_for_stretches_of_it(number):
    found = row("local", number)
    assert found.verdict == "UNDECIDED"
    assert "the instrument is not sure to see preferences" in found.why
