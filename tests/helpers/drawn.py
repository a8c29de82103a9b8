"""What is drawn on axes, as arrays."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.lines import Line2D


def line(drawn: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """The x and the y of a line."""
    return np.asarray(drawn.get_xdata(), float), np.asarray(drawn.get_ydata(), float)


def lines(axes: Axes) -> list[tuple[list[float], list[float]]]:
    """The x and the y of every line, to be compared with what they should be."""
    return [(x.tolist(), y.tolist()) for x, y in map(line, axes.lines)]


def corners(drawn: Collection) -> np.ndarray:
    """The corners of a filled area, (corner, 2)."""
    return np.asarray(drawn.get_paths()[0].vertices, float)


def legend(axes: Axes) -> list[str]:
    """The words of a legend."""
    found = axes.get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]
