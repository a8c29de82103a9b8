"""Pictures of `compare.plot` as SVG elements inside a page: their text stays text, in the colours of the page."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from compare.plotting import STYLE

INK = "#010203"
"""What has this colour, which nothing else has, takes that of the page's text."""
OWN: dict[RcKeyType, Any] = {
    "font.size": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
POINTS = 72
PIXELS = 96
WIDTH = 3.75
"""Inches, which are 360 pixels: as wide as a small screen, on which text of 9 points has 12 pixels."""


def inline(draw: Callable[[Axes], object], title: str, height: float, *, named: bool = False) -> Markup:
    """What `draw` puts on the axes that it is given, as an `svg` element that is named by its title.

    height: in inches. named: whether the title stands above the picture as well.
    """
    with mpl.rc_context({**STYLE, **OWN, "svg.hashsalt": title}):
        figure, buffer = Figure(figsize=(WIDTH, height)), io.StringIO()
        draw(figure.add_subplot())
        if named:
            figure.suptitle(title, fontsize="large", fontweight="bold")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    drawn = text[text.index(">", text.index("<svg")) + 1 :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' id="[a-zA-Z]+[\w.]*_\d+"', "", drawn)
    drawn = re.sub(rf"{INK}|#000000", "currentColor", drawn)
    box = f"0 0 {WIDTH * POINTS:g} {height * POINTS:g}"
    return Markup(
        f'<svg class="plot" role="img" aria-label="{escape(title)}" viewBox="{box}" '
        f'style="max-width:{WIDTH * PIXELS * 1.25:g}px">{drawn}'
    )
