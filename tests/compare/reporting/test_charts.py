"""Charts: places follow from values, labels leave each other room, gaps are gaps, text is escaped."""

import re
from itertools import pairwise

import numpy as np
import pytest

from compare.judging.chart import Axis, Chart, Level, Series
from compare.reporting.charts import draw


def drawn(*series, x=None, y=None, levels=()):
    return str(draw(Chart("title", x or Axis("x"), y or Axis("y"), series, levels)))


def test_values_lie_where_the_ticks_say():
    """Between two ticks of a linear axis places are linear: every marker against a straight line through the ticks."""
    values = np.linspace(-3, 8, 12)
    svg = drawn(Series("", values, values, points=True))
    ticks = {
        float(name): float(x)
        for x, name in re.findall(
            r'<text x="([\d.]+)" y="[\d.]+" text-anchor="middle">(-?[\d.]+)</text>', svg
        )
    }
    assert len(ticks) >= 4
    slope, offset = np.polyfit(list(ticks), list(ticks.values()), 1)
    centres = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    np.testing.assert_allclose(centres, slope * values + offset, atol=0.11)  # both are rounded to 0.1


@pytest.mark.parametrize("scale", ["linear", "log", "time"])
@pytest.mark.parametrize("low", [1e-9, 0.3, 40.0])
def test_names_of_ticks_leave_each_other_room(scale, low):
    values = np.concatenate([[0.0], np.geomspace(low, 1e6, 30)])
    svg = drawn(Series("", values, np.ones(31)), x=Axis("t", scale))
    found = re.findall(r'<text x="([\d.]+)" y="195" text-anchor="middle">([^<]*)</text>', svg)
    assert len(found) >= 2
    ends = [(float(x) - 3 * len(name), float(x) + 3 * len(name)) for x, name in found]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert min(ends)[0] > 0
    assert max(ends)[1] < 360 + 12


def test_names_of_many_runs_leave_each_other_room():
    """94 runs, one above the other: as many are named as there is room for, each where it is."""
    svg = drawn(
        Series("", np.zeros(94), np.arange(94), points=True),
        y=Axis("run", ticks=[str(n + 1) for n in range(94)]),
    )
    found = re.findall(r'<text x="[\d.]+" y="([\d.]+)" text-anchor="end">(\d+)</text>', svg)
    places = [float(y) for y, _ in found]
    assert len(found) >= 10
    assert min(before - after for before, after in pairwise(places)) >= 11  # the height of the text
    marks = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', svg)]
    for place, (_, name) in zip(places, found):
        assert place - 3.5 == pytest.approx(marks[int(name) - 1], abs=0.11)  # both are rounded to 0.1


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.4), (2.1, 4.8), (0.4, 40.0), (3.0, 3000.0), (1e-9, 1e9)])
def test_logarithmic_axes_can_be_read(low, high):
    """Two names or more on any range, each where its value belongs: places are linear in the logarithm."""
    svg = drawn(Series("", [low, high], [1.0, 1.0], points=True), x=Axis("x", "log"))
    found = re.findall(r'<text x="([\d.]+)" y="195" text-anchor="middle">([^<]*)</text>', svg)
    assert len(found) >= 2
    ends = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    logs = np.log([float(name) for _, name in found])
    expected = np.interp(logs, np.log([low, high]), ends)
    np.testing.assert_allclose([float(x) for x, _ in found], expected, atol=0.11)  # both are rounded to 0.1


def test_gaps_single_points_and_nothing():
    gap = drawn(Series("a", np.arange(5), [0.0, 1.0, np.nan, 2.0, 3.0]))
    (path,) = re.findall(r'<path d="(M[^"]*)" fill="none"', gap)
    assert path.count("M") == 2
    assert "nan" not in gap
    for scale in ("linear", "log", "time"):
        assert "nan" not in drawn(Series("", [1.0], [2.0], points=True), x=Axis("x", scale))
        assert "nan" not in drawn(Series("", [np.nan], [np.nan]), x=Axis("x", scale))


def test_text_is_escaped_and_series_are_told_apart_without_colour():
    nasty = '"><script>'
    series = [
        Series(f"{nasty}{style}", [0, 1], [0, style], style, names=[nasty, nasty]) for style in range(4)
    ]
    svg = drawn(*series, x=Axis(nasty), y=Axis(nasty), levels=[Level(1.0, nasty)])
    assert "<script" not in svg
    looks = re.findall(r'stroke-dasharray="([^"]*)"/>', svg)
    assert len(set(looks)) == 4
    assert svg.count("<li>") == 5
