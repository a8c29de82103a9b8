"""The look of every figure: a palette that all kinds of colour vision tell apart, one style, and one way to save."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from compare.files import write_aside

# Okabe and Ito's palette.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE: dict[RcKeyType, Any] = {
    "figure.figsize": (4.4, 3.1),
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "metasphere",
}


def save_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw in the house style and write a PNG, aside first."""
    with mpl.rc_context(STYLE):
        figure = draw()
        write_aside(path, lambda aside: figure.savefig(aside, format="png", dpi=150))
