"""Figures of one run: each function draws one claim on the axes it is given and returns them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from compare.metrics.published.attention import CLUSTER_BELOW, MIXING_ABOVE
from compare.metrics.published.clusters import MIDDLE_HEIGHT
from compare.metrics.published.cosines import NEAR_ONE
from compare.metrics.published.energy import FALL
from compare.plotting import COLOURS

COLLAPSED = 1e-13


def depth_axis(axes: Axes, measured: xr.Dataset) -> Axes:
    """Label the horizontal axis: layers evenly, times on a scale that is linear to the first save, then logarithmic."""
    depth = measured["depth"].values
    facts = json.loads(measured.attrs["provenance"])
    dynamics = facts.get("kind", "the dynamics")
    if dynamics == "USA":
        dynamics = f"USA, {facts.get('clock', 'metastability')} clock"
    if measured["depth"].attrs["axis"] == "layer":
        axes.set_xlabel("layer (0: embedding)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif facts.get("depth") == "log t":
        axes.set_xlabel(f"log t ({dynamics})")
    else:
        later = depth[depth > 0]
        if later.size > 1 and later[-1] / later[0] > 50:
            axes.set_xscale("symlog", linthresh=float(later[0]), linscale=0.4)
        axes.set_xlabel(f"time t ({dynamics})")
    axes.margins(x=0.02)
    return axes


def shade_collapse(axes: Axes, measured: xr.Dataset) -> None:
    """Grey where all tokens coincide to rounding: what compares them there sorts rounding errors."""
    depth = measured["depth"].values
    collapsed = np.flatnonzero(measured["mean_cosine"].values > 1 - COLLAPSED)
    if collapsed.size:
        axes.axvspan(
            float(depth[collapsed[0]]),
            float(depth[-1]),
            color="0.88",
            zorder=0,
            label="collapsed to rounding",
        )


def legend_below(axes: Axes, columns: int) -> None:
    """A legend under the axis label, where it cannot cover data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


def cosine_histogram(axes: Axes, measured: xr.Dataset) -> Axes:
    """Heat map: share of token pairs in each of 50 bins of cosine, over depth."""
    depth_axis(axes, measured)
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
    axes.margins(x=0)
    return axes


def mass_near_one(axes: Axes, measured: xr.Dataset) -> Axes:
    """Share of pairs with cosine above 0.9, and the mean cosine."""
    depth = measured["depth"].values
    axes.plot(depth, measured["mass_near_one"], marker=".", label=f"mass near 1 (cosine > {NEAR_ONE:g})")
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
    """Energy of each beta as a share of its maximum; a triangle marks the depth at which it has fallen.

    The black line is that of the run's own beta, where it has one.
    """
    depth = measured["depth"].values
    for beta, colour in zip(measured["beta"].values, COLOURS):
        values = measured["energy"].sel(beta=beta).values
        relative = values * 2 * beta * np.exp(-beta)
        axes.plot(depth, relative, color=colour, marker=".", label=f"beta {beta:g}")
        fallen = np.flatnonzero(np.diff(values) < -FALL) + 1
        axes.plot(depth[fallen], relative[fallen], "v", color=colour, markersize=7, fillstyle="none")
    if "own_energy" in measured:
        own = measured["own_energy"]
        axes.plot(depth, own, color=COLOURS[6], linewidth=2.2, label=f"own beta {own.attrs['beta']:g}")
    axes.set(ylabel="energy / its maximum", ylim=(0, 1.05))
    legend_below(axes, 3)
    return depth_axis(axes, measured)


def clusters(axes: Axes, measured: xr.Dataset) -> Axes:
    """Number of clusters by the post's three methods, HDBSCAN in both readings of its settings.

    A bar shows what other orders of the same tokens make of the second reading where it has most clusters.
    """
    depth = measured["depth"].values
    shade_collapse(axes, measured)
    axes.plot(depth, measured["hdbscan_clusters"], marker=".", label="HDBSCAN (scikit-learn)")
    axes.plot(depth, measured["hdbscan_package_clusters"], marker=".", label="HDBSCAN (hdbscan package)")
    fewest, most = (measured[f"hdbscan_package_{end}"].item() for end in ("fewest", "most"))
    axes.vlines(depth[measured["hdbscan_package_clusters"].values.argmax()], fewest, most, color=COLOURS[1])
    middle = measured["agglomerative_clusters"].isel(height=MIDDLE_HEIGHT)
    axes.plot(depth, middle, marker=".", label=f"average linkage, cut {float(middle['height']):.2f}")
    axes.plot(depth, measured["kmeans_clusters"], marker=".", label="KMeans")
    axes.set_ylabel("clusters")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes, 2)
    return depth_axis(axes, measured)


def persistence(axes: Axes, measured: xr.Dataset) -> Axes:
    """Similarity of each depth to the one before it; CKA is undefined where the effective rank is below 3."""
    depth = measured["depth"].values
    shade_collapse(axes, measured)
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
    """Entropy of the attention rows: one pale line a head; dotted, that of uniform attention without a mask."""
    _each_head(axes, measured, "attention_entropy")
    uniform = np.log(measured.sizes["token"])
    axes.axhline(uniform, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set(ylabel="attention entropy (nats)", ylim=(0, 1.06 * uniform))
    return axes


def sinkhorn_fiedler(axes: Axes, measured: xr.Dataset) -> Axes:
    """Second eigenvalue of the Laplacian of each head's doubly stochastic graph; the post's cuts are dotted."""
    _each_head(axes, measured, "sinkhorn_fiedler")
    for cut in (CLUSTER_BELOW, MIXING_ABOVE):
        axes.axhline(cut, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set_ylabel("Sinkhorn-Fiedler value")
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
        "Group A. Theory: mass gathers in a few bands (pairs of clusters), then at 1.",
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
        "Group A. HDBSCAN with 2-point clusters counts dozens in pure noise. Grey: all tokens coincide to rounding.",
        "hdbscan_clusters",
        clusters,
    ),
    Figure(
        "Persistence",
        "Group B. 1 means unchanged since the depth before. CKA has no value at effective rank below 3; where grey, "
        "neighbours are sorted by rounding errors.",
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
        "Group C. One pale line a head; dotted: uniform over all tokens, out of reach under a causal mask.",
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
