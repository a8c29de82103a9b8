"""Figures of one run: each function draws one claim on the axes it is given and returns them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from compare.files import write_aside

# Okabe and Ito's palette: told apart by every kind of colour vision.
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
    "svg.hashsalt": "metasphere",
}
FALL = 1e-6


def save_figure(path: Path, draw: Callable[[], Canvas]) -> None:
    """Draw in the house style and write a PNG, aside first."""
    with mpl.rc_context(STYLE):
        figure = draw()
        write_aside(path, lambda aside: figure.savefig(aside, format="png", dpi=150))


def depth_axis(axes: Axes, measured: xr.Dataset) -> Axes:
    """Label the horizontal axis: layers evenly, times on a scale that is linear to the first save, then logarithmic."""
    depth = measured["depth"].values
    if measured["depth"].attrs["axis"] == "layer":
        axes.set_xlabel("layer (0: embedding)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif json.loads(measured.attrs["provenance"]).get("depth") == "log t":
        axes.set_xlabel("log t")
    else:
        later = depth[depth > 0]
        if later.size > 1 and later[-1] / later[0] > 50:
            axes.set_xscale("symlog", linthresh=float(later[0]), linscale=0.4)
        axes.set_xlabel("time t of SA")
    axes.set_xlim(depth[0], depth[-1])
    return axes


def legend_below(axes: Axes, columns: int) -> None:
    """A legend under the axis label, where it cannot cover data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


def cosine_histogram(axes: Axes, measured: xr.Dataset) -> Axes:
    """Heat map: share of token pairs in each of 50 bins of cosine, over depth."""
    histogram = measured["cosine_histogram"].transpose("cosine", "depth")
    share = histogram / histogram.sum("cosine")
    mesh = axes.pcolormesh(
        measured["depth"].values,
        measured["cosine"].values,
        share.values,
        norm=PowerNorm(0.4, vmin=0, vmax=1),
        cmap="magma",
        shading="nearest",
        rasterized=True,
    )
    axes.figure.colorbar(mesh, ax=axes, label="share of pairs", ticks=[0, 0.01, 0.1, 0.5, 1])
    axes.set(ylabel="cosine of a pair", ylim=(-1, 1))
    axes.grid(visible=False)
    return depth_axis(axes, measured)


def mass_near_one(axes: Axes, measured: xr.Dataset) -> Axes:
    """Share of pairs with cosine above 0.9, and the mean cosine."""
    depth = measured["depth"].values
    axes.plot(depth, measured["mass_near_one"], marker=".", label="mass near 1 (cosine > 0.9)")
    axes.plot(depth, measured["mean_cosine"], marker=".", label="mean cosine")
    axes.set(ylabel="share of pairs; cosine", ylim=(min(-0.05, float(measured["mean_cosine"].min())), 1.05))
    legend_below(axes, 2)
    return depth_axis(axes, measured)


def effective_rank(axes: Axes, measured: xr.Dataset) -> Axes:
    """exp of the entropy of the singular values of the vectors before projection."""
    axes.plot(measured["depth"].values, measured["effective_rank"], marker=".")
    axes.set_ylabel("effective rank")
    axes.set_ylim(bottom=0)
    return depth_axis(axes, measured)


def energy(axes: Axes, measured: xr.Dataset) -> Axes:
    """Energy of each beta as a share of its maximum; a triangle marks the depth at which it has fallen."""
    depth = measured["depth"].values
    for beta, colour in zip(measured["beta"].values, COLOURS):
        values = measured["energy"].sel(beta=beta).values
        relative = values * 2 * beta * np.exp(-beta)
        axes.plot(depth, relative, color=colour, marker=".", label=f"beta {beta:g}")
        fallen = np.flatnonzero(np.diff(values) < -FALL) + 1
        axes.plot(depth[fallen], relative[fallen], "v", color=colour, markersize=7, fillstyle="none")
    axes.set(ylabel="energy / its maximum", ylim=(0, 1.05))
    legend_below(axes, 4)
    return depth_axis(axes, measured)


def clusters(axes: Axes, measured: xr.Dataset) -> Axes:
    """Number of clusters by the post's three counts."""
    depth = measured["depth"].values
    axes.plot(depth, measured["hdbscan_clusters"], marker=".", label="HDBSCAN")
    middle = measured["agglomerative_clusters"].sel(height=0.35, method="nearest")
    axes.plot(depth, middle, marker=".", label="average linkage, cut 0.35")
    axes.plot(depth, measured["kmeans_clusters"], marker=".", label="KMeans")
    axes.set_ylabel("clusters")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes, 3)
    return depth_axis(axes, measured)


def persistence(axes: Axes, measured: xr.Dataset) -> Axes:
    """Similarity of each depth to the one before it; CKA is undefined where the effective rank is below 3."""
    depth = measured["depth"].values
    for name, label in (("cka", "linear CKA"), ("nn_stability", "same nearest neighbour")):
        if measured[name].notnull().any():
            axes.plot(depth, measured[name], marker=".", label=label)
    axes.set(ylabel="similarity to previous depth", ylim=(-0.03, 1.05))
    legend_below(axes, 2)
    return depth_axis(axes, measured)


def _each_head(axes: Axes, measured: xr.Dataset, name: str) -> Axes:
    depth = measured["depth"].values
    values = measured[name].transpose("depth", "head")
    axes.plot(depth, values, color=COLOURS[0], alpha=0.25, linewidth=0.8)
    axes.plot(depth, values.mean("head"), color=COLOURS[1], marker=".", label="mean of the heads")
    axes.set_ylim(bottom=0)
    legend_below(axes, 1)
    return depth_axis(axes, measured)


def attention_entropy(axes: Axes, measured: xr.Dataset) -> Axes:
    """Entropy of the attention rows: one pale line a head, uniform attention as the upper bound."""
    _each_head(axes, measured, "attention_entropy")
    axes.axhline(np.log(measured.sizes["token"]), color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set_ylabel("attention entropy (nats)")
    return axes


def sinkhorn_fiedler(axes: Axes, measured: xr.Dataset) -> Axes:
    """Second eigenvalue of the Laplacian of each head's doubly stochastic graph; the post's cuts are dotted."""
    _each_head(axes, measured, "sinkhorn_fiedler")
    for cut in (0.3, 0.7):
        axes.axhline(cut, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set_ylabel("Sinkhorn-Fiedler value")
    return axes


def theory_overlay(axes: Axes, overlaid: xr.Dataset, beta: float) -> Axes:
    """A model's mean cosine over the idealised blocks' time, and the closed-form curve from the same start."""
    chosen = overlaid.sel(beta=beta)
    time = chosen["effective_time"].values
    axes.plot(time, chosen["theory_cosine"], color=COLOURS[6], linestyle="--", label="theory, gamma(t)")
    axes.plot(time, chosen["mean_cosine"], color=COLOURS[0], marker="o", markersize=4, label="measured")
    axes.set(
        xlabel="effective time (units of t of SA)",
        ylabel="mean cosine",
        ylim=(min(-0.05, float(chosen["mean_cosine"].min())), 1.05),
        title=f"beta {beta:g}",
    )
    legend_below(axes, 2)
    return axes


@dataclass(frozen=True)
class Figure:
    """One figure of the page of a run: its title, what it shows, the variables that it needs, and how it is drawn."""

    title: str
    caption: str
    needs: str
    draw: Callable[[Axes, xr.Dataset], Axes]


OF_A_RUN = (
    Figure(
        "Cosines over depth",
        "Group A. Theory: mass moves to a few columns (clusters), then to 1.",
        "cosine_histogram",
        cosine_histogram,
    ),
    Figure(
        "Mass near 1",
        "Group A. A common mean raises both without any cluster.",
        "mass_near_one",
        mass_near_one,
    ),
    Figure("Effective rank", "Group A. Of the vectors before projection.", "effective_rank", effective_rank),
    Figure(
        "Clusters",
        "Group A. HDBSCAN with 2-point clusters counts dozens in pure noise.",
        "hdbscan_clusters",
        clusters,
    ),
    Figure(
        "Persistence",
        "Group B. 1 means unchanged since the depth before. CKA has no value at effective rank below 3.",
        "cka",
        persistence,
    ),
    Figure(
        "Energy",
        "Group D. With Q = K = V = I the energy of the run's own beta never falls; that of another beta may. "
        "Triangles mark falls of more than 1e-6.",
        "energy",
        energy,
    ),
    Figure(
        "Attention entropy",
        "Group C. One line a head; dotted: uniform over all tokens.",
        "attention_entropy",
        attention_entropy,
    ),
    Figure(
        "Attention graph",
        "Group C. Below 0.3 the post says CLUSTER, above 0.7 MIXING; a causal mask alone gives below 0.3.",
        "sinkhorn_fiedler",
        sinkhorn_fiedler,
    ),
)
