"""The picture of collapse times: its closed forms and marks, and that its sentence follows the table."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import compare
from compare import theory
from compare.plot.collapse_times import COSINE, finding
from compare.plotting import STYLE

KINDS, BETAS, DIMS, SIZES, SEEDS = ["SA", "USA"], [0.5, 2.0, 6.0], [2, 128], [16, 64], [0, 1, 2]


@pytest.fixture
def table():
    """Times 1.1 times the closed form; one seed at beta = 6 on the circle has none."""
    law = [
        [theory.gamma_time(COSINE, np.array(SIZES), np.array(BETAS)[:, None], kind) for _ in DIMS]
        for kind in KINDS
    ]
    times = 1.1 * np.array(law)[..., None] * np.ones(len(SEEDS))
    times[:, 0, 2, :, 1] = np.nan
    coords = {"kind": KINDS, "d": DIMS, "beta": BETAS, "n": SIZES, "seed": SEEDS, "time": [0.0, 300.0]}
    yield xr.Dataset({"collapse_time": (("kind", "d", "beta", "n", "seed"), times)}, coords)
    plt.close("all")


def heights(line):
    return np.asarray(line.get_ydata())


def places(line):
    return [float(x) for x in np.asarray(line.get_xdata())]


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title() == title)


def test_medians_lie_beside_the_closed_form(table):
    axes = panel(compare.plot.collapse_speed(table), "SA, d = 128")
    measured, law = axes.get_lines()[:2]
    np.testing.assert_allclose(heights(measured), 1.1 * theory.gamma_time(COSINE, 16, BETAS))
    np.testing.assert_allclose(heights(law)[[0, -1]], theory.gamma_time(COSINE, 16, [0.5, 6.0]))
    assert law.get_linestyle() == "--"


def test_marks_say_what_did_not_collapse_and_where_attention_turns(table):
    figure = compare.plot.collapse_speed(table)
    circle, wide = panel(figure, "USA, d = 2"), panel(figure, "USA, d = 128")

    def at(axes, marker):
        return [
            float(x) for line in axes.get_lines() if line.get_marker() == marker for x in line.get_xdata()
        ]

    assert at(circle, "^") == [6.0, 6.0]
    assert at(wide, "^") == []
    np.testing.assert_allclose(at(wide, "v"), theory.effective_context_beta(SIZES, 128))
    dotted = [places(line)[0] for line in circle.get_lines() if line.get_linestyle() == ":"]
    assert dotted == [theory.critical_beta(2)]
    open_markers = [
        line.get_markerfacecolor() == "white" for line in wide.get_lines() if line.get_marker() == "o"
    ]
    assert open_markers == [False, False]  # 64 tokens in 128 dimensions lie in one hemisphere


def test_labels_do_not_touch(table):
    with plt.rc_context(STYLE):
        figure = compare.plot.collapse_speed(table)
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    boxes = [axes.title.get_window_extent(renderer) for axes in figure.axes]
    boxes += [figure.legends[0].get_window_extent(renderer)]
    boxes += [axes.xaxis.label.get_window_extent(renderer) for axes in figure.axes if axes.get_xlabel()]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_the_sentence_follows_the_table(table):
    said = finding(table)
    assert "Collapsed by t = 300: 89 % at d = 2, 100 % at d = 128." in said
    assert "SA from d = 128 on takes 1.10 to 1.10 times the closed form" in said
    assert "USA from d = 128 on takes 1.10 to 1.10" in said
    slower = table.assign(collapse_time=table["collapse_time"] * 2)
    assert "takes 2.20 to 2.20 times" in finding(slower)
    cold = xr.DataArray(theory.gamma_time(COSINE, np.array(SIZES), 0.0), dims="n")
    by_beta = table.assign(collapse_time=0 * table["collapse_time"].fillna(0) + table["beta"] * cold)
    assert "and 1.00 with beta" in finding(by_beta)


def test_another_table_is_refused(table):
    with pytest.raises(ValueError, match="no collapse_time: sweep with observe"):
        compare.plot.collapse_speed(table.drop_vars("collapse_time"))
