"""The evidence behind a verdict: its numbers, its charts, and the command that repeats it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from markupsafe import Markup

from compare.judging.chart import Axis, Behind, Chart, Level, Series
from compare.judging.evidence import NOT_APPLICABLE, REFUTED
from compare.judging.hypothesis import Hypothesis
from compare.judging.verdicts import Verdict, Verdicts
from compare.plot.effects import forest, forest_height
from compare.reporting.charts import Picture, picture
from compare.reporting.inline import inline
from compare.reporting.verdict_table import EVERYTHING, TABLES, Column, Row, anchor

REACH = 1.25
QUIET = 0.1


@dataclass(frozen=True)
class Panel:
    """One verdict unfolded: its row, its place on the page, its interval on the scale of the hypothesis, its charts.

    command: what repeats it, "" where the study did not make its runs. betas: those of its runs.
    """

    row: Row
    anchor: str
    interval: Markup
    charts: tuple[Picture, ...]
    command: str
    betas: str


@dataclass(frozen=True)
class Part:
    """The verdicts on one kind of groups: what says something, and what says only that nothing is there.

    forests: a forest plot a statistic. quiet: intervals around 0 that are narrow beside what matters. silent: NOT
    APPLICABLE. widest: the end farthest from 0 of the quiet intervals, as a reader would say it.
    """

    title: str
    forests: tuple[Markup, ...]
    panels: tuple[Panel, ...]
    quiet: tuple[Panel, ...]
    silent: tuple[Panel, ...]
    widest: str

    @property
    def has_reach(self) -> bool:
        """Whether any of its rows says how far it reaches."""
        return any(panel.row["reach"] for panel in (*self.panels, *self.quiet))


@dataclass(frozen=True)
class Section:
    """All verdicts on one hypothesis, with what the registry says of it, and the name of its page."""

    hypothesis: Hypothesis
    page: str
    parts: tuple[Part, ...]


def hypothesis_page(name: str) -> str:
    """The name of the page of a hypothesis, by its id."""
    return f"hypothesis-{name.lower()}"


def sections(
    judged: Verdicts,
    groups: Sequence[Column],
    hypotheses: Mapping[str, Hypothesis],
    measured: Mapping[str, Behind],
    command: str,
) -> tuple[Section, ...]:
    """One section a hypothesis, in the order of the rows, with a part for each kind of groups.

    measured: the calibrated measurements of each group. command: what repeats the whole study, without group.
    """
    rows = json.loads(judged.to_json())["rows"]
    kind_of = {one.group: one.table for one in groups}
    made = []
    for name in dict.fromkeys(row["hypothesis"] for row in rows):
        chosen = [row for row in rows if row["hypothesis"] == name]
        reach, hypothesis = _reach(chosen), hypotheses[name]
        panels: dict[str, list[Panel]] = {kind: [] for kind in TABLES}
        for row in chosen:
            behind = measured.get(row["group"], Behind(row["group"], {}, {}))
            panels[kind_of[row["group"]]].append(_panel(row, hypothesis, behind, reach, command))
        own = [row for row in judged.rows if row.hypothesis == name]
        parts = (
            _part(kind, each, [row for row in own if kind_of[row.group] == kind])
            for kind, each in panels.items()
            if each
        )
        made.append(Section(hypothesis, hypothesis_page(name), tuple(parts)))
    return tuple(made)


def _panel(
    row: Row, hypothesis: Hypothesis, behind: Behind, reach: tuple[float, float], command: str
) -> Panel:
    return Panel(
        row,
        anchor(row["hypothesis"], row["group"]),
        interval(row, reach),
        tuple(pictures(row, hypothesis, behind)) if row["verdict"] != NOT_APPLICABLE else (),
        _command(row, behind.runs, command),
        beta_range(row, behind.runs),
    )


def _part(kind: str, panels: Sequence[Panel], rows: Sequence[Verdict]) -> Part:
    quiet = tuple(panel for panel in panels if _is_quiet(panel.row))
    silent = tuple(panel for panel in panels if panel.row["verdict"] == NOT_APPLICABLE)
    by_statistic: dict[str, list[Verdict]] = {}
    for row in rows:
        if row.verdict != NOT_APPLICABLE and np.isfinite(row.effect):
            by_statistic.setdefault(row.statistic, []).append(row)
    widest = max((abs(end) for panel in quiet for end in panel.row["ci"]), default=0.0)
    return Part(
        TABLES[kind],
        tuple(_forest(f"{TABLES[kind]}: {name}", each) for name, each in by_statistic.items()),
        tuple(panel for panel in panels if panel not in quiet and panel not in silent),
        quiet,
        silent,
        f"{widest:.1g}",
    )


def _forest(title: str, rows: Sequence[Verdict]) -> Markup:
    return inline(lambda axes: forest(rows, axes=axes), f"{rows[0].hypothesis}, {title}", forest_height(rows))


def _is_quiet(row: Row) -> bool:
    """Whether a refuted row says only that nothing is there: all of its interval is small beside what matters."""
    if row["verdict"] != REFUTED or None in row["ci"] or not row["smallest_effect"]:
        return False
    return max(map(abs, row["ci"])) <= QUIET * row["smallest_effect"]


def _command(row: Row, runs: Mapping[str, xr.Dataset], command: str) -> str:
    """What makes and judges the runs of a row again; "" where the study did not make them."""
    if row["group"] == EVERYTHING:
        return command
    facts = [json.loads(run.attrs["provenance"]) for run in runs.values()]
    if not any("job" in each for each in facts):
        return ""
    return f"{command} --group {shlex.quote(row['group'])}"


def beta_range(row: Row, runs: Mapping[str, xr.Dataset]) -> str:
    """The inverse temperature of the runs: one number, or their range."""
    given = [float(run.attrs.get("beta", np.nan)) for run in runs.values()]
    found = sorted({f"{beta:.3g}": beta for beta in given if np.isfinite(beta)}.values())
    if row["beta"] is None:
        return "unknown"
    return f"{found[0]:.3g} to {found[-1]:.3g}" if len(found) > 1 else f"{row['beta']:.3g}"


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """The scale that the intervals of one hypothesis share: all effects, bounds, and ends that are finite."""
    effects = [row["effect"] for row in rows if row["effect"] is not None]
    bounds = [bound for row in rows for bound in [*row["claimed"], *row["ci"]] if bound is not None]
    places = np.array([0.0, *effects, *bounds])
    places = places[np.isfinite(places)]
    room = max(np.ptp(places) * (REACH - 1), 1e-9)
    return float(places.min() - room), float(places.max() + room)


def interval(row: Row, reach: tuple[float, float]) -> Markup:
    """Effect and interval as a mark on a line; a dotted stroke is a bound of what is claimed, a grey one zero."""
    if row["effect"] is None:
        return Markup("")
    low, high = reach

    def place(value: float) -> float:
        return 4 + 192 * float(np.clip((value - low) / (high - low), 0, 1))

    ends = [place(end if end is not None else bound) for end, bound in zip(row["ci"], (low, high))]
    parts = [f'<path class="zero" d="M{place(0.0):.1f} 2V18"/>']
    parts += [
        f'<path class="least" d="M{place(float(bound)):.1f} 2V18"/>'
        for bound in row["claimed"]
        if bound is not None
    ]
    parts.append(f'<path class="ci" d="M{ends[0]:.1f} 10H{ends[1]:.1f}"/>')
    parts.append(f'<circle class="effect" cx="{place(float(row["effect"])):.1f}" cy="10" r="4"/>')
    return Markup(f'<svg class="interval" viewBox="0 0 200 20" aria-hidden="true">{"".join(parts)}</svg>')


def pictures(row: Row, hypothesis: Hypothesis, behind: Behind) -> list[Picture]:
    """Charts of a verdict with titles and captions: the effect of every run, where it has one, and what is behind."""
    charts = [effects(row)] if row["values"] and row["statistic"] not in hypothesis.fitted else []
    if behind.runs and hypothesis.chart and (chart := hypothesis.chart(behind)):
        charts.append(chart)
    return [picture(chart) for chart in charts]


def per_run(row: Row, hypothesis: Hypothesis) -> str:
    """What the values of the runs are."""
    return hypothesis.fitted.get(row["statistic"], "Effect of every run")


def effects(row: Row) -> Chart:
    """The effect of each run, the interval of their mean or median, and the bounds of the claim."""
    values = [np.nan if value is None else value for value in row["values"]]
    low, high = (np.nan if end is None else end for end in row["ci"])
    finite = [value for value in (low, high) if np.isfinite(value)]
    levels = [Level(bound, "bound of the claim") for bound in row["claimed"] if bound is not None]
    count = len(values)
    series = [
        Series("runs (rest the pointer on one)", np.arange(count), values, points=True, names=row["labels"])
    ]
    if len(finite) == 2:
        ends = [-0.5, count - 0.5]
        middle = [(low + high) / 2] * 2
        series.insert(0, Series("95 % interval", ends, middle, 1, [low] * 2, [high] * 2, thin=True))
    ticks = [str(place + 1) for place in range(count)]
    return Chart(
        f"{row['hypothesis']}, {row['group']}: effect of every run",
        Axis("run", ticks=ticks),
        Axis(f"effect ({row['unit']})"),
        series,
        levels,
        row["statistic"],
    )
