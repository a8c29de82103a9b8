"""Figures of one run by the published definitions, as images that a page holds."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from compare import plot
from compare.plotting import STYLE
from compare.reporting.definitions import definition_anchor


class Image(NamedTuple):
    """A figure: its title, what it shows, where the page defines its quantity, and the address that holds it."""

    title: str
    caption: str
    definition: str
    source: str


@dataclass(frozen=True)
class Kind:
    """One figure of the page of a run: its title, what it shows, the variables that it needs, and how it is drawn."""

    title: str
    caption: str
    needs: str
    draw: Callable[..., Axes]


KINDS = (
    Kind(
        "Cosines over depth",
        "Group A. Theory: mass gathers in a few bands (pairs of clusters), then at 1.",
        "cosine_histogram",
        plot.cosine_histogram,
    ),
    Kind(
        "Mass near 1",
        "Group A. A common mean raises both without any cluster.",
        "mass_near_one",
        plot.mass_near_one,
    ),
    Kind(
        "Effective rank", "Group A. Of the vectors before projection.", "effective_rank", plot.effective_rank
    ),
    Kind(
        "Clusters",
        "Group A. HDBSCAN with 2-point clusters counts dozens in pure noise. Grey: all tokens coincide to rounding.",
        "hdbscan_clusters",
        plot.clusters,
    ),
    Kind(
        "Persistence",
        "Group B. 1 means unchanged since the depth before. CKA has no value at effective rank below 3; where grey, "
        "neighbours are sorted by rounding errors.",
        "cka",
        plot.persistence,
    ),
    Kind(
        "Energy",
        "Group D. With Q = K = V = I the energy of the run's own beta never falls; that of another beta may. "
        "Triangles mark falls of more than 1e-6.",
        "energy",
        plot.energy,
    ),
    Kind(
        "Attention entropy",
        "Group C. One pale line a head; dotted: uniform over all tokens, out of reach under a causal mask.",
        "attention_entropy",
        plot.attention_entropy,
    ),
    Kind(
        "Attention graph",
        "Group C. Below 0.3 the post says CLUSTER, above 0.7 MIXING; a causal mask alone gives below 0.3.",
        "sinkhorn_fiedler",
        plot.sinkhorn_fiedler,
    ),
)


OWN: dict[RcKeyType, Any] = {"figure.figsize": (3.75, 2.9), "legend.fontsize": 9}
"""360 pixels wide, as a small screen is, so that no text is smaller there than 12 pixels."""


def images(measured: xr.Dataset) -> list[Image]:
    """Every figure whose variable was measured."""
    return [_image(kind, measured) for kind in KINDS if kind.needs in measured]


def _image(kind: Kind, measured: xr.Dataset) -> Image:
    with mpl.rc_context({**STYLE, **OWN}):
        figure, buffer = Figure(), io.BytesIO()
        kind.draw(measured, axes=figure.add_subplot())
        figure.savefig(buffer, format="svg", dpi=130, metadata={"Date": None})
    source = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Image(kind.title, kind.caption, definition_anchor("published", kind.needs), source)
