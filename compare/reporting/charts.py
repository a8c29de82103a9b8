"""Charts as inline SVG: a report has hundreds, whose text must stay text at any size, on screen and on paper.

Series are told apart by colour (Okabe and Ito's palette), by dash and by marker, so never by colour alone. The legend
is HTML under the picture, where it wraps and covers nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape
from numpy.typing import ArrayLike

from compare.judging.chart import Axis, Chart, Series
from compare.plotting import COLOURS
from compare.reporting.definitions import definition_anchor

WIDTH, HEIGHT = 360.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 10.0, 12.0, 40.0
LONGEST_LINE, TICK_ROOM = 30, 12
DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 2")
MARKERS = ("circle", "square", "triangle", "diamond")
GREY = "#767676"
BLACK = "#000000"


class Picture(NamedTuple):
    """A chart as the page has it."""

    image: Markup
    title: str
    caption: Markup


class Scale(NamedTuple):
    """The way from values to places, and the ticks: (value, name)."""

    place: Callable[[Float[np.ndarray, " value"]], Float[np.ndarray, " value"]]
    ticks: list[tuple[float, str]]


def draw(chart: Chart) -> Markup:
    """The chart as one `svg` element with a legend after it."""
    across = _scale(chart.x, _values(chart, "x"), LEFT, WIDTH - RIGHT)
    up = _scale(chart.y, _values(chart, "y"), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(chart.title)}" class="chart">',
        *_frame(chart, across, up),
        *(part for series in chart.series for part in _series(series, across, up)),
        "</svg>",
        _legend(chart),
    ]
    return Markup("".join(parts))


def picture(chart: Chart) -> Picture:
    """The chart with its words, and a link to the definition of what it shows, from a page in the same folder."""
    link = Markup("")
    if chart.defined:
        link = Markup(' <a href="definitions.html#{}">Definition</a>').format(
            definition_anchor(*chart.defined)
        )
    return Picture(draw(chart), chart.title, escape(chart.caption) + link)


def _values(chart: Chart, which: str) -> Float[np.ndarray, " value"]:
    found: list[ArrayLike] = [getattr(series, which) for series in chart.series]
    if which == "y":
        found += [end for series in chart.series for end in (series.low, series.high) if end is not None]
        found.append([level.value for level in chart.levels])
    values = np.concatenate([np.asarray(part, float).ravel() for part in found])
    return values[np.isfinite(values)]


def _scale(axis: Axis, values: Float[np.ndarray, " value"], begin: float, end: float) -> Scale:
    bounds = [bound for bound in (axis.low, axis.high) if bound is not None]
    seen = np.concatenate([values, bounds]) if len(values) or bounds else np.array([0.0, 1.0])
    if axis.ticks:
        low, high = -0.5, len(axis.ticks) - 0.5
        ticks = [(float(place), name) for place, name in enumerate(axis.ticks)]
    elif axis.scale == "linear":
        low, high = _widened(float(seen.min()), float(seen.max()))
        ticks = _round_ticks(low, high, axis.whole)
    else:
        return _logarithmic(axis, seen, begin, end)
    return Scale(lambda v: begin + (np.asarray(v, float) - low) / (high - low) * (end - begin), ticks)


def _widened(low: float, high: float) -> tuple[float, float]:
    room = 0.04 * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    return low - room, high + room


def _round_ticks(low: float, high: float, whole: bool) -> list[tuple[float, str]]:
    """At most seven round numbers."""
    raw = (high - low) / 6
    power = 10.0 ** np.floor(np.log10(raw))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = power * next(factor for factor in factors if factor * power >= raw)
    step = max(step, 1.0) if whole else step
    places = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [(float(place), f"{place + 0.0:.6g}") for place in places]


def _logarithmic(axis: Axis, seen: Float[np.ndarray, " value"], begin: float, end: float) -> Scale:
    """Decades; zero, on a time axis, stands as far before the first positive time as the decades allow."""
    positive = seen[seen > 0]
    positive = positive if len(positive) else np.array([1.0, 10.0])
    low, high = np.log10(positive.min()), np.log10(positive.max())
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)
    zero = low - 0.08 * (high - low) if axis.scale == "time" and (seen <= 0).any() else low
    room = 0.03 * (high - zero)
    start, length = zero - room, high - zero + 2 * room
    ticks = _decades(low, high)
    if zero < low:
        ticks.insert(0, (0.0, "0"))

    def place(values: Float[np.ndarray, " value"]) -> Float[np.ndarray, " value"]:
        given = np.asarray(values, float)
        logs = np.where(given > 0, np.log10(np.where(given > 0, given, 1.0)), zero)
        return begin + (np.where(np.isnan(given), np.nan, logs) - start) / length * (end - begin)

    return Scale(place, ticks)


def _decades(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten, at most six; where fewer than three are in reach, twice and five times each as well.

    Where fewer than two of those are, round numbers as on a linear axis.
    """
    decades = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
    if len(decades) > 2:
        return [(10.0**decade, _power(decade)) for decade in decades[:: int(np.ceil(len(decades) / 6))]]
    near = np.outer(10.0 ** np.arange(np.floor(low), np.ceil(high) + 1), (1, 2, 5)).ravel()
    inside = near[(near >= 10**low * (1 - 1e-9)) & (near <= 10**high * (1 + 1e-9))]
    if len(inside) > 1:
        return [(float(value), f"{value:g}") for value in inside]
    return _round_ticks(10.0**low, 10.0**high, whole=False)


def _power(decade: float) -> str:
    return f"{10.0**decade:g}" if -3 <= decade <= 4 else f"1e{decade:.0f}"


def _frame(chart: Chart, across: Scale, up: Scale) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = []
    last = np.inf
    for value, name in up.ticks:
        y = float(up.place(np.array([value]))[0])
        if TOP - 1 <= y <= floor + 1 and last - y >= TICK_ROOM:
            last = y
            parts.append(f'<path class="g" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"/>')
            parts.append(f'<text x="{LEFT - 5:g}" y="{y + 3.5:.1f}" text-anchor="end">{escape(name)}</text>')
    for value, name in _readable(across, chart.x):
        x = float(across.place(np.array([value]))[0])
        parts.append(f'<path class="g" d="M{x:.1f} {floor:g}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 15:g}" text-anchor="middle">{escape(name)}</text>')
    for level in chart.levels:
        y = float(up.place(np.array([level.value]))[0])
        parts.append(
            f'<path class="l" d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}"><title>{escape(level.label)}</title></path>'
        )
    middle, centre = (TOP + floor) / 2, (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<path class="a" d="M{LEFT:g} {TOP:g}V{floor:g}H{WIDTH - RIGHT:g}"/>')
    parts.append(
        f'<text x="{centre:g}" y="{HEIGHT - 8:g}" text-anchor="middle">{escape(chart.x.label)}</text>'
    )
    for row, line in enumerate(_lines(chart.y.label)):
        place = f"translate({10 + 12 * row} {middle:g}) rotate(-90)"
        parts.append(f'<text transform="{place}" text-anchor="middle">{escape(line)}</text>')
    return parts


def _lines(label: str) -> list[str]:
    """A label that is too long for the height of the chart, in two lines."""
    if len(label) <= LONGEST_LINE:
        return [label]
    blanks = [place for place, sign in enumerate(label) if sign == " "]
    middle = min(blanks, key=lambda place: abs(place - len(label) / 2), default=len(label))
    return [label[:middle], label[middle + 1 :]]


def _readable(across: Scale, axis: Axis) -> list[tuple[float, str]]:
    """Ticks of the horizontal axis that are inside it and whose names leave each other room."""
    kept, last = [], -np.inf
    for value, name in across.ticks:
        x = float(across.place(np.array([value]))[0])
        half = 3.2 * len(name)
        if LEFT - 1 <= x <= WIDTH - RIGHT + 1 and x - half > last + 4:
            kept.append((value, name))
            last = x + half
    return kept


def _series(series: Series, across: Scale, up: Scale) -> list[str]:
    x, y = across.place(np.asarray(series.x, float)), up.place(np.asarray(series.y, float))
    parts = []
    if series.low is not None and series.high is not None:
        low, high = (up.place(np.asarray(end, float)) for end in (series.low, series.high))
        fine = np.isfinite(low) & np.isfinite(high)
        outline = [*zip(x[fine], low[fine]), *zip(x[fine][::-1], high[fine][::-1])]
        corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in outline)
        parts.append(f'<polygon points="{corners}" fill="{_paint(series)}" fill-opacity=".16"/>')
    if not series.points:
        dash = "" if series.thin else DASHES[series.style % len(DASHES)]
        look = (
            'stroke-width=".8" stroke-opacity=".45"'
            if series.thin
            else f'stroke-width="1.7" stroke-dasharray="{dash}"'
        )
        parts.append(f'<path d="{_path(x, y)}" fill="none" stroke="{_paint(series)}" {look}/>')
    if series.points or (not series.thin and len(x) <= 30):
        names = series.names or [""] * len(x)
        for a, b, name in zip(x, y, names):
            if np.isfinite(a) and np.isfinite(b):
                parts.append(marker(series.style, a, b, _paint(series), name))
    return parts


def _paint(series: Series) -> str:
    colour = COLOURS[series.style % len(COLOURS)]
    return GREY if series.grey else "currentColor" if colour == BLACK else colour


def _path(x: Float[np.ndarray, " value"], y: Float[np.ndarray, " value"]) -> str:
    words, pen = [], "M"
    for a, b in zip(x, y):
        if np.isfinite(a) and np.isfinite(b):
            words.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)


def marker(style: int, x: float, y: float, colour: str, name: str = "", size: float = 2.6) -> str:
    """One point in the shape of its style."""
    title = f"<title>{escape(name)}</title>" if name else ""
    shape = MARKERS[style % len(MARKERS)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" fill="{colour}">{title}</circle>'
    moves = {
        "square": f"M{x - size:.1f} {y - size:.1f}h{2 * size:g}v{2 * size:g}h{-2 * size:g}z",
        "triangle": f"M{x:.1f} {y - 1.3 * size:.1f}l{1.2 * size:.1f} {2.2 * size:.1f}h{-2.4 * size:.1f}z",
        "diamond": f"M{x:.1f} {y - 1.4 * size:.1f}l{1.4 * size:.1f} {1.4 * size:.1f}l{-1.4 * size:.1f} {1.4 * size:.1f}"
        f"l{-1.4 * size:.1f} {-1.4 * size:.1f}z",
    }
    return f'<path d="{moves[shape]}" fill="{colour}">{title}</path>'


def _legend(chart: Chart) -> str:
    """One entry a label: a stroke in the look of its series."""
    entries, seen = [], set()
    for series in chart.series:
        if not series.label or series.label in seen:
            continue
        seen.add(series.label)
        line = "" if series.points else _swatch_line(series)
        dot = "" if series.thin else marker(series.style, 12.0, 6.0, _paint(series))
        band = (
            f'<rect x="0" y="1" width="24" height="10" fill="{_paint(series)}" fill-opacity=".16"/>'
            if series.low is not None
            else ""
        )
        entries.append(
            f'<li><svg viewBox="0 0 24 12" aria-hidden="true">{band}{line}{dot}</svg>{escape(series.label)}</li>'
        )
    for level in chart.levels:
        if level.label:
            swatch = '<svg viewBox="0 0 24 12" aria-hidden="true"><path class="l" d="M0 6H24"/></svg>'
            entries.append(f"<li>{swatch}{escape(level.label)}</li>")
    return f'<ul class="legend">{"".join(entries)}</ul>' if entries else ""


def _swatch_line(series: Series) -> str:
    dash = "" if series.thin else DASHES[series.style % len(DASHES)]
    width = ".8" if series.thin else "1.7"
    return f'<path d="M0 6H24" stroke="{_paint(series)}" stroke-width="{width}" stroke-dasharray="{dash}"/>'
