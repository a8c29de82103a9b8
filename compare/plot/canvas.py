"""The axes that a picture is drawn on, and where its legend goes."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

BELOW, LINE = 0.4, 0.16
"""Inches from the axis to the legend under a label of one line, and that a line more takes."""
LEGEND_LINE = 54
"""Characters of all columns of a legend side by side."""


def given_or_new(axes: Axes | None) -> Axes:
    """The axes that were given, or those of a new figure."""
    return plt.figure(layout="constrained").add_subplot() if axes is None else axes


def legend_below(axes: Axes, columns: int = 1, handles: Sequence[Any] | None = None) -> None:
    """A legend under the axis label, where it cannot cover data; of what is labelled, or of `handles`.

    Long labels, such as names of a user's own, are broken, so that they leave room for the axes.
    """
    inches = BELOW + LINE * axes.get_xlabel().count("\n")
    down = ScaledTranslation(0, -inches, axes.figure.dpi_scale_trans)
    handles = axes.get_legend_handles_labels()[0] if handles is None else handles
    place = axes.transAxes + down
    legend = axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=place, ncols=columns
    )
    for text in legend.get_texts():
        text.set_text(textwrap.fill(text.get_text(), LEGEND_LINE // columns))
