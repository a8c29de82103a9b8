"""Figures of a run to one cluster: the staircase of its energy and the tree of its mergers, both over log t."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from compare.plotting import COLOURS
from compare.study.coalescences import close_log_times
from sim import Coalescence, energy


def staircase(axes: Axes, coalescence: Coalescence) -> Axes:
    """E1 over log t: flat while the clusters stand still, a step at each merger; dotted, the heights sum m_k^2."""
    log_times = close_log_times(coalescence)
    trajectory = coalescence.trajectory(log_times)
    values = np.asarray(energy(trajectory.points, coalescence.beta, trajectory.masses))
    axes.plot(log_times, values, color=COLOURS[0])
    for height in np.unique(np.round(coalescence.energies, 12)):
        axes.axhline(height, color=COLOURS[6], linestyle=":", linewidth=0.7, alpha=0.5)
    axes.set(xlabel="log t", ylabel="energy E1", ylim=(0, 1.05))
    return axes


def tree(axes: Axes, coalescence: Coalescence) -> Axes:
    """The tree of mergers, the log time of each merger as its height."""
    linkage = coalescence.linkage()
    dendrogram(linkage, ax=axes, color_threshold=0, above_threshold_color=COLOURS[0], no_labels=True)
    axes.set(xlabel=f"the {len(coalescence.initial)} tokens", ylabel="log t of the merger")
    axes.grid(visible=False, axis="x")
    return axes


def mergers(coalescence: Coalescence) -> Figure:
    """Staircase and tree side by side."""
    figure = Figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    staircase(left, coalescence)
    tree(right, coalescence)
    last = coalescence.log_times[-1]
    figure.suptitle(
        f"{coalescence.kind}, beta {coalescence.beta:g}: {len(coalescence.initial)} tokens on "
        f"S^{coalescence.initial.shape[1] - 1}, one cluster at t = e^{last:.0f}"
    )
    return figure
