"""Power and false alarms as a figure: a dot and its exact interval for each generator, the target a line."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from compare.calibration.summary import FALSE_ALARMS, POWER, Row
from compare.reporting.figures import COLOURS

MARKS = {POWER: ("o", COLOURS[0]), FALSE_ALARMS: ("D", COLOURS[1])}


def shares(axes: Axes, rows: Sequence[Row], claim: str) -> Axes:
    """The rows of one claim, "power" or "false alarms": share CONFIRMED with its 95 % interval, a line for each row.

    Rows are labelled by hypothesis, generator and number of groups. The dotted line is the target; a mark is filled
    where the share meets it. Colours and shapes are told apart by every kind of colour vision. Returns the axes.
    """
    chosen = [row for row in rows if row.claim == claim]
    marker, colour = MARKS[claim]
    heights = np.arange(len(chosen))[::-1]
    for height, row in zip(heights, chosen):
        met = row.share >= row.target if claim == POWER else row.share <= row.target
        axes.plot([row.low, row.high], [height, height], color=colour, linewidth=1.2)
        axes.plot(row.share, height, marker, color=colour, markersize=5, fillstyle="full" if met else "none")
    if chosen:
        axes.axvline(chosen[0].target, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(
        heights, [f"{row.hypothesis}  {row.generator} ({row.groups})" for row in chosen], fontsize=7
    )
    axes.set(xlabel=f"{claim}: share CONFIRMED", xlim=(-0.02, 1.02), ylim=(-0.7, len(chosen) - 0.3))
    axes.grid(axis="y", visible=False)
    return axes
