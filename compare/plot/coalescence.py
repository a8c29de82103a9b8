"""A run to one cluster: the staircase of its energy and the tree of its mergers, both over log t."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.cluster import hierarchy

from compare.plot.canvas import given_or_new
from compare.plotting import COLOURS
from compare.study.coalescences import close_log_times
from sim import Coalescence
from sim import energy as interaction_energy


def staircase(coalescence: Coalescence, *, axes: Axes | None = None) -> Axes:
    """E1 over log t: flat while the clusters stand still, a step at each merger; dotted, the heights sum m_k^2.

    coalescence: what `sim.coalesce` returns. axes: where to draw; new ones where None. Returns the axes. Cost: one
    evaluation of the energy, O(n^2 d), at each of some hundred log times.
    Source: 2410.06833, Theorem 6.4 (E1 in its limit of large beta jumps at each merger).

    >>> import sim
    >>> from compare import plot
    >>> tree = sim.coalesce(sim.Attention(1000.0), sim.uniform(5, 3))
    >>> plot.staircase(tree).get_xlabel()
    'log t (t: time of SA)'
    """
    axes = given_or_new(axes)
    log_times = close_log_times(coalescence)
    trajectory = coalescence.trajectory(log_times)
    values = np.asarray(interaction_energy(trajectory.points, coalescence.beta, trajectory.masses))
    axes.plot(log_times, values, color=COLOURS[0])
    for height in np.unique(np.round(coalescence.energies, 12)):
        axes.axhline(height, color="0.5", linestyle=":", linewidth=0.7)
    axes.set(xlabel=_log_time(coalescence), ylabel="energy E1 (1: one cluster)", ylim=(0, 1.05))
    return axes


def dendrogram(coalescence: Coalescence, *, axes: Axes | None = None) -> Axes:
    """The tree of mergers: tokens at the foot, each merger at the height of its log time.

    coalescence: what `sim.coalesce` returns, with one cluster at the end. axes: where to draw; new ones where None.
    Returns the axes. Raises ValueError where the tree is incomplete.
    Source: SciPy's layout of `sim.Coalescence.linkage`, whose heights start at 0; the ticks here say log t itself.

    >>> import sim
    >>> from compare import plot
    >>> tree = sim.coalesce(sim.Attention(1000.0), sim.uniform(5, 3))
    >>> plot.dendrogram(tree).get_ylabel()
    'log t of the merger (t: time of SA)'
    """
    linkage = coalescence.linkage()
    axes = given_or_new(axes)
    hierarchy.dendrogram(
        linkage, ax=axes, color_threshold=0, above_threshold_color=COLOURS[0], no_labels=True
    )
    shift = float(coalescence.log_times[-1] - linkage[-1, 2])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: f"{height + shift:g}"))
    time = _log_time(coalescence).removeprefix("log t ")
    axes.set(xlabel=f"the {len(coalescence.initial)} tokens", ylabel=f"log t of the merger {time}")
    axes.grid(visible=False, axis="x")
    return axes


def both(coalescence: Coalescence) -> Figure:
    """Staircase and tree side by side."""
    figure = Figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    staircase(coalescence, axes=left)
    dendrogram(coalescence, axes=right)
    last = coalescence.log_times[-1]
    figure.suptitle(
        f"{coalescence.kind}, beta {coalescence.beta:g}: {len(coalescence.initial)} tokens on "
        f"S^{coalescence.initial.shape[1] - 1}, one cluster at t = e^{last:.0f}"
    )
    return figure


def _log_time(coalescence: Coalescence) -> str:
    return f"log t (t: time of {coalescence.kind})"
