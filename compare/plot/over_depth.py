"""The published definitions of one run over depth: each function draws one claim on axes and returns them."""

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from compare.metrics.published.attention import CLUSTER_BELOW, MIXING_ABOVE
from compare.metrics.published.clusters import MIDDLE_HEIGHT
from compare.metrics.published.cosines import NEAR_ONE
from compare.metrics.published.energy import FALL
from compare.plot.canvas import given_or_new, legend_below
from compare.plotting import COLOURS

COLLAPSED = 1e-13


def _over_depth(measured: xr.Dataset, axes: Axes | None) -> Axes:
    """The horizontal axis: layers evenly, times on a scale that is linear to the first save, then logarithmic."""
    axes = given_or_new(axes)
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


def _shade_collapse(axes: Axes, measured: xr.Dataset) -> None:
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


def cosine_histogram(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Heat map: share of token pairs in each of 50 bins of cosine, over depth.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group A1.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.cosine_histogram(compare.measure(run, preset="published")).get_ylabel()
    'cosine of a pair'
    """
    axes = _over_depth(measured, axes)
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


def mass_near_one(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Share of pairs with cosine above 0.9, and the mean cosine.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group A.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.mass_near_one(compare.measure(run, preset="published")).get_ylabel()
    'share of pairs; cosine'
    """
    axes = _over_depth(measured, axes)
    depth = measured["depth"].values
    axes.plot(depth, measured["mass_near_one"], marker=".", label=f"mass near 1 (cosine > {NEAR_ONE:g})")
    axes.plot(depth, measured["mean_cosine"], marker=".", label="mean cosine")
    axes.set(ylabel="share of pairs; cosine", ylim=(min(-0.05, float(measured["mean_cosine"].min())), 1.05))
    legend_below(axes, 2)
    return axes


def effective_rank(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """exp of the entropy of the singular values of the vectors before projection.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group A2.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.effective_rank(compare.measure(run, preset="published")).get_ylabel()
    'effective rank'
    """
    axes = _over_depth(measured, axes)
    axes.plot(measured["depth"].values, measured["effective_rank"], marker=".")
    axes.set_ylabel("effective rank")
    axes.set_ylim(bottom=0)
    return axes


def energy(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Energy of each beta as a share of its maximum; a triangle marks the depth at which it has fallen.

    The black line is that of the run's own beta, where it has one.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group D1.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.energy(compare.measure(run, preset="published")).get_ylabel()
    'energy / its maximum'
    """
    axes = _over_depth(measured, axes)
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
    return axes


def clusters(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Number of clusters by the post's three methods, HDBSCAN in both readings of its settings.

    A bar shows what other orders of the same tokens make of the second reading where it has most clusters.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group A3.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.clusters(compare.measure(run, preset="published")).get_ylabel()
    'clusters'
    """
    axes = _over_depth(measured, axes)
    depth = measured["depth"].values
    _shade_collapse(axes, measured)
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
    return axes


def persistence(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Similarity of each depth to the one before it; CKA is undefined where the effective rank is below 3.

    measured: of ``compare.measure(run, preset="published")``. axes: where to draw; new ones where None. Returns
    the axes. Source: post, Group B.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.plot.persistence(compare.measure(run, preset="published")).get_ylabel()
    'similarity to previous depth'
    """
    axes = _over_depth(measured, axes)
    depth = measured["depth"].values
    _shade_collapse(axes, measured)
    for name, label in (("cka", "linear CKA"), ("nn_stability", "same nearest neighbour")):
        if measured[name].notnull().any():
            axes.plot(depth, measured[name], marker=".", label=label)
    axes.set(ylabel="similarity to previous depth", ylim=(-0.03, 1.05))
    legend_below(axes, 2)
    return axes


def _each_head(measured: xr.Dataset, name: str, axes: Axes | None) -> Axes:
    axes = _over_depth(measured, axes)
    depth = measured["depth"].values
    values = measured[name].transpose("depth", "head")
    axes.plot(depth, values, color=COLOURS[0], alpha=0.25, linewidth=0.8)
    axes.plot(depth, values.mean("head"), color=COLOURS[1], marker=".", label="mean of the heads")
    axes.set_ylim(bottom=0)
    legend_below(axes, 1)
    return axes


def attention_entropy(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Entropy of the attention rows: one pale line a head; dotted, that of uniform attention without a mask.

    measured: of ``compare.measure(run, preset="published")`` of a run with attention. axes: where to draw; new ones
    where None. Returns the axes. Source: post, Group C.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0], attention=True)
    >>> compare.plot.attention_entropy(compare.measure(run, preset="published")).get_ylabel()
    'attention entropy (nats)'
    """
    axes = _each_head(measured, "attention_entropy", axes)
    uniform = np.log(measured.sizes["token"])
    axes.axhline(uniform, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set(ylabel="attention entropy (nats)", ylim=(0, 1.06 * uniform))
    return axes


def sinkhorn_fiedler(measured: xr.Dataset, *, axes: Axes | None = None) -> Axes:
    """Second eigenvalue of the Laplacian of each head's doubly stochastic graph; the post's cuts are dotted.

    measured: of ``compare.measure(run, preset="published")`` of a run with attention. axes: where to draw; new ones
    where None. Returns the axes. Source: post, Group C3.

    >>> import compare, sim
    >>> run = sim.simulate(sim.Attention(4.0), sim.uniform(8, 3), [0.0, 1.0, 10.0], attention=True)
    >>> compare.plot.sinkhorn_fiedler(compare.measure(run, preset="published")).get_ylabel()
    'Sinkhorn-Fiedler value'
    """
    axes = _each_head(measured, "sinkhorn_fiedler", axes)
    for cut in (CLUSTER_BELOW, MIXING_ABOVE):
        axes.axhline(cut, color=COLOURS[6], linestyle=":", linewidth=1)
    axes.set_ylabel("Sinkhorn-Fiedler value")
    return axes
