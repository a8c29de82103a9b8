"""A forest plot holds the numbers of its rows: effects, intervals, bounds, and detection limits on their own scale."""

import numpy as np
import pytest

from compare import plot
from tests.helpers.drawn import legend, line, lines
from tests.helpers.written_verdicts import REACH, table, verdict


def test_each_row_has_its_effect_its_interval_and_its_bound():
    rows = [
        verdict(group="theory", effect=3.0, ci=(2.0, 4.0)),
        verdict(group="net", verdict="REFUTED", effect=0.01, ci=(-0.02, 0.04)),
        verdict(group="silent", verdict="NOT APPLICABLE", effect=np.nan),
    ]
    axes = plot.forest(table(*rows))
    drawn = lines(axes)
    for place, row in enumerate(rows[:2]):
        assert (list(row.ci), [-place] * 2) in drawn
        assert ([row.effect], [-place]) in drawn
        assert any(x == [0.25, 0.25] and np.mean(y) == -place for x, y in drawn)
    assert [text.get_text() for text in axes.texts] == ["theory", "net"]
    assert axes.get_xlabel() == "excess (nat)"
    low, high = axes.get_xlim()
    assert low < -0.02
    assert high > 4.0
    assert legend(axes) == [
        "confirmed: effect, 95 % interval",
        "refuted: effect, 95 % interval",
        "bound of the claim",
    ]


def test_an_interval_without_an_end_is_an_arrow():
    axes = plot.forest([verdict(effect=0.5, ci=(0.4, np.inf))])
    (arrow,) = (each for each in axes.lines if each.get_marker() == ">")
    assert line(arrow)[0][0] == axes.get_xlim()[1]


def test_how_far_a_refutation_reaches_is_on_the_scale_above():
    rows = [verdict(verdict="REFUTED", effect=0.0, ci=(-0.1, 0.1), reach=REACH), verdict(group="other")]
    axes = plot.forest(rows)
    (above,) = (each for each in axes.figure.axes if each is not axes)
    assert above.get_xlabel() == "share of the variance that is planted"
    assert above.get_xlim() == (0.0, 1.0)
    drawn = lines(above)
    below = drawn[0][1][0]
    assert -1 < below < 0
    assert ([0.8, 1.0], [below, below]) in drawn
    assert any(x == [0.65, 0.65] for x, _ in drawn)
    marks = {float(line(each)[0][0]): each for each in above.lines if each.get_marker() == "^"}
    assert marks[0.8].get_markerfacecolor() != "none"
    assert marks[0.65].get_markerfacecolor() == "none"
    assert len(axes.figure.axes) == 2
    assert len(plot.forest(rows[1:]).figure.axes) == 1


def test_what_is_planted_in_the_unit_of_the_effect_is_on_its_scale():
    reach = REACH | {"of": "all changes", "is_effect": True}
    axes = plot.forest([verdict(verdict="CONFIRMED", effect=0.0, ci=(0.0, 0.0), reach=reach)])
    assert axes.figure.axes == [axes]
    _, end = axes.get_xlim()
    assert end > 0.8
    assert any(x == [0.8, end] for x, _ in lines(axes))


def test_small_shares_have_room_on_the_scale_above():
    rungs = [{"share": 0.1, "is_seen": True, "confirmed": 6, "draws": 6, "low": 0.97, "high": 1.0}]
    axes = plot.forest(
        [verdict(verdict="REFUTED", effect=0.0, ci=(-0.1, 0.1), reach=REACH | {"rungs": rungs})]
    )
    (above,) = (each for each in axes.figure.axes if each is not axes)
    assert above.get_xlim() == (0.0, 0.4)


def test_rows_without_a_scale_in_common_are_refused():
    with pytest.raises(ValueError, match="got H1, H2"):
        plot.forest([verdict("H1"), verdict("H2")])
    with pytest.raises(ValueError, match="got none"):
        plot.forest([verdict(verdict="NOT APPLICABLE", effect=np.nan)])
