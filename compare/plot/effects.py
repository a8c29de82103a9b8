"""A forest plot of verdicts: effects with intervals, the bounds that matter, and how far a refutation reaches."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from compare.judging.reach import percent
from compare.judging.verdicts import Verdict, Verdicts
from compare.plot.canvas import given_or_new, legend_below
from compare.plotting import COLOURS

LOOKS = {
    "CONFIRMED": (COLOURS[0], "o", "confirmed"),
    "REFUTED": (COLOURS[1], "s", "refuted"),
    "UNDECIDED": ("#767676", "D", "undecided"),
}
"""Verdict -> colour, marker and word: told apart without colour as well."""
EFFECT, REACH, LABEL = 0.0, -0.28, 0.3
ROOM, STROKE = 0.08, 0.11
DOTTED = (0, (1, 0.8))
LONGEST_LINE, LONGEST_NAME = 46, 54
SMALL_SHARE = 0.4


def forest(verdicts: Verdicts | Iterable[Verdict], *, axes: Axes | None = None) -> Axes:
    """A row a verdict: its effect and 95 % interval, the bound of what is claimed, and how far a refutation reaches.

    The scale below is that of the effect. The mark is the effect, its bar the 95 % interval over runs (an arrow where
    it has no end), the dotted stroke a bound of the claim, the grey line no effect. Where clusters, falls or
    preferences were planted in the same runs (field ``reach``), a second bar goes from the detection limit to the end,
    on the scale above, which is their share, or on that of the effect where the share is the effect: a full mark is a
    size that is seen, a hollow one a size that is not, or not surely, and the short stroke the size from which on they
    matter. Where a bar begins right of the stroke nothing is excluded.

    Arguments
    ---------
    verdicts: of `compare.judge`, or some of their rows, of one hypothesis; NOT APPLICABLE and rows without a number
        are left out. axes: where to draw; new ones where None.

    Returns the axes; those of the scale above are among the axes of its figure. Raises ValueError for rows of several
    hypotheses, whose effects have no scale in common, or where no row is left.

    >>> from compare import plot
    >>> from compare.judging.verdicts import Verdict
    >>> row = Verdict("H1", "", "net", "REFUTED", "", "excess", "nat", 0.0, (-0.1, 0.1), 0.25, (0.25, float("inf")), "",
    ...     0.0, 0.0, 7, (), (), (), 1.0, "", 1.0, "")
    >>> plot.forest([row]).get_xlabel()
    'excess (nat)'
    """
    every = verdicts.rows if isinstance(verdicts, Verdicts) else tuple(verdicts)
    rows = [row for row in every if row.verdict in LOOKS and np.isfinite(row.effect)]
    asked = sorted({row.hypothesis for row in rows})
    if len(asked) != 1:
        raise ValueError(
            f"a forest plot needs rows with an effect of one hypothesis, got {', '.join(asked) or 'none'}: choose some"
        )
    axes = given_or_new(axes)
    low, high = _limits(rows)
    axes.set_xlim(low, high)
    several = len({row.statistic for row in rows}) > 1
    for place, row in enumerate(rows):
        _effect(axes, row, float(-place), several)
    _scales(axes, rows)
    if any(row.reach for row in rows):
        _reaches(axes, rows)
    _legend(axes, rows)
    return axes


def forest_height(rows: Sequence[Verdict]) -> float:
    """Inches that a forest plot of these rows takes, with its scales and its legend."""
    reach = any(row.reach for row in rows)
    entries = len({row.verdict for row in rows}) + (4 if reach else 1)
    return (0.46 if reach else 0.36) * len(rows) + (1.4 if reach else 0.9) + 0.18 * entries


def _limits(rows: Sequence[Verdict]) -> tuple[float, float]:
    """All effects and bounds, the ends of intervals that have one, what was planted on their scale, and room."""
    ends = [value for row in rows for value in (row.effect, *row.ci, *row.claimed)]
    planted = [row.reach for row in rows if row.reach and row.reach["is_effect"]]
    ends += [1.1 * rung["share"] for reach in planted for rung in reach["rungs"]]
    ends = [0.0, *(value for value in ends if np.isfinite(value))]
    room = ROOM * (np.ptp(ends) or 1.0)
    return float(min(ends) - room), float(max(ends) + room)


def _effect(axes: Axes, row: Verdict, y: float, several: bool) -> None:
    colour, marker, _ = LOOKS[row.verdict]
    low, high = (float(end) for end in np.clip(row.ci, *axes.get_xlim()))
    axes.plot([low, high], [y, y], color=colour, linewidth=2.5, solid_capstyle="butt")
    for end, bound, arrow in ((row.ci[0], low, "<"), (row.ci[1], high, ">")):
        if not np.isfinite(end):
            axes.plot(bound, y, arrow, color=colour, markersize=6, clip_on=False)
    axes.plot([0, 0], [y - STROKE, y + STROKE], color="0.6", linewidth=0.8, zorder=0)
    axes.plot(row.effect, y, marker, color=colour, markersize=6)
    for bound in row.claimed:
        if np.isfinite(bound):
            axes.plot(
                [bound, bound], [y - STROKE, y + STROKE], linestyle=DOTTED, color="black", linewidth=1.6
            )
    said = textwrap.shorten(
        f"{row.group}: {row.statistic}" if several else row.group, LONGEST_NAME, placeholder=" ..."
    )
    place = axes.get_yaxis_transform()
    axes.text(0, y + LABEL, said, transform=place, va="center", fontsize="medium").set_in_layout(False)


def _scales(axes: Axes, rows: Sequence[Verdict]) -> None:
    reach = any(row.reach for row in rows)
    axes.set_ylim(-len(rows) + (0.45 if reach else 0.65), 0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    said = {f"{row.statistic} ({row.unit})" for row in rows}
    units = sorted({row.unit for row in rows})
    label = next(iter(said)) if len(said) == 1 else f"effect ({', or '.join(units)})"
    axes.set_xlabel(textwrap.fill(label, LONGEST_LINE))


def _reaches(axes: Axes, rows: Sequence[Verdict]) -> None:
    """On the scale of the effects where the shares are effects, else on one of their own, above."""
    found = [row.reach for row in rows if row.reach]
    drawn = axes if all(reach["is_effect"] for reach in found) else _scale_above(axes, found)
    _, end = drawn.get_xlim()
    for place, row in enumerate(rows):
        if row.reach is None:
            continue
        y = REACH - place
        if row.reach["limit"] is not None:
            drawn.plot(
                [row.reach["limit"], end], [y, y], color=COLOURS[2], linewidth=2.5, solid_capstyle="butt"
            )
        for rung in row.reach["rungs"]:
            fill = "none" if _unseen(rung) else COLOURS[2]
            drawn.plot(rung["share"], y, "^", color=COLOURS[2], markerfacecolor=fill, markersize=5.5)
        matters = row.reach["matters"]
        drawn.plot([matters, matters], [y - 0.1, y + 0.1], color="black", linewidth=1.2)


def _scale_above(axes: Axes, reaches: Sequence[Mapping[str, Any]]) -> Axes:
    largest = max(rung["share"] for reach in reaches for rung in reach["rungs"])
    end = 1.0 if largest > SMALL_SHARE / 2 else SMALL_SHARE
    above = axes.twiny()
    of = " or of ".join(sorted({reach["of"] for reach in reaches}))
    label = textwrap.fill(f"share of {of} that is planted", LONGEST_LINE)
    above.set(xlim=(0, end), xlabel=label, ylim=axes.get_ylim())
    ticks = np.linspace(0, end, 5)
    above.set_xticks(ticks, [percent(tick) for tick in ticks])
    above.spines[["left", "right"]].set_visible(False)
    above.spines["top"].set_visible(True)
    above.grid(visible=False)
    return above


def _unseen(rung: Mapping[str, Any]) -> bool:
    return not rung["is_seen"]


def _legend(axes: Axes, rows: Sequence[Verdict]) -> None:
    found = [LOOKS[verdict] for verdict in LOOKS if any(row.verdict == verdict for row in rows)]
    lines = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            markersize=6,
            linewidth=2.5,
            label=f"{word}: effect, 95 % interval",
        )
        for colour, marker, word in found
    ]
    lines.append(Line2D([], [], color="black", linestyle=DOTTED, linewidth=1.6, label="bound of the claim"))
    rungs = [rung for row in rows if row.reach for rung in row.reach["rungs"]]
    own = all(row.reach["is_effect"] for row in rows if row.reach)
    if rungs:
        mark = {"color": COLOURS[2], "marker": "^", "markersize": 5.5}
        lines.append(
            Line2D(
                [],
                [],
                linewidth=2.5,
                label="planted and seen; line: taken to be" + ("" if own else " (scale above)"),
                **mark,
            )
        )
        if any(map(_unseen, rungs)):
            lines.append(
                Line2D(
                    [],
                    [],
                    linestyle="",
                    markerfacecolor="none",
                    label="planted, not surely seen",
                    **mark,
                )
            )
        size = {"color": "black", "marker": "|", "markersize": 8, "linestyle": ""}
        lines.append(Line2D([], [], label="planted size that matters", **size))
    legend_below(axes, handles=lines)
