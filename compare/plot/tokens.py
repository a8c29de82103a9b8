"""Tokens on the sphere at some depths, along the axes that carry most of the run; the same at every depth."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from scipy.linalg import eigh

from compare.plot.canvas import given_or_new
from compare.plotting import COLOURS
from sim import Trajectory
from sim.sphere import normalise

SHOWN = 4
STEP = 2.3


def principal_axes(points: Float[np.ndarray, "depth token d"]) -> tuple[Float[np.ndarray, "d 3"], float]:
    """The three axes that carry most of the squared length of all points at all depths, and the share they carry.

    Each axis points to the side of the mean. On the circle a third axis of zeros is added, on S^2 nothing is lost and
    the share is 1.
    """
    rows = points.reshape(-1, points.shape[-1])
    scatter = rows.T @ rows
    values, vectors = eigh(scatter, subset_by_index=[max(len(scatter) - 3, 0), len(scatter) - 1])
    axes = vectors[:, ::-1]
    axes = np.where(rows.sum(axis=0) @ axes < 0, -axes, axes)
    share = float(values.sum() / np.trace(scatter))
    return np.pad(axes, ((0, 0), (0, 3 - axes.shape[1]))), share


def projected(points: Float[np.ndarray, "depth token d"]) -> tuple[Float[np.ndarray, "depth token 3"], float]:
    """Points along the principal axes, put on the unit sphere of these three; the leading axis first, and the share.

    A point without any length along them is 0.
    """
    axes, share = principal_axes(points)
    found = points @ axes
    long = np.linalg.norm(found, axis=-1, keepdims=True) > 1e-9
    return np.where(long, normalise(np.where(long, found, 1.0)), 0.0), share


def sphere(trajectory: Trajectory, depths: Sequence[int] | None = None, *, axes: Axes | None = None) -> Axes:
    """The tokens of a run at some of its depths, as spheres side by side; the leading axis of the whole run is up.

    Points are projected on the three axes that carry most of the run's squared length, the same at all depths, then to
    the unit sphere of these three: on S^1 and S^2 nothing is lost, else the title says which share they carry. Marks on
    the far side are hollow.

    Arguments
    ---------
    trajectory: of a simulation or a model. depths: indices of depths, each in [-depth, depth); four from the first to
        the last where None. axes: where to draw; new ones where None.

    Returns the axes. Raises ValueError for an index that is not there. Cost: O(depth token d^2).

    >>> import sim
    >>> from compare import plot
    >>> run = sim.simulate(sim.Attention(9.0), sim.uniform(16, 3), [0.0, 1.0, 10.0])
    >>> len(plot.sphere(run, [0, 2]).patches)
    2
    """
    count = len(trajectory.depth)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
    chosen = list(chosen) if depths is None else list(depths)
    if not chosen or any(not -count <= index < count for index in chosen):
        raise ValueError(f"depths must be indices from {-count} to {count - 1}, one or more, got {chosen}")
    points, share = projected(trajectory.points)
    axes = given_or_new(axes)
    for place, index in enumerate(chosen):
        up, side, towards = points[index].T
        axes.add_patch(Circle((STEP * place, 0), 1, facecolor="none", edgecolor="0.6", linewidth=0.8))
        for near, fill in ((towards < 0, "none"), (towards >= 0, COLOURS[0])):
            axes.scatter(
                STEP * place + side[near],
                up[near],
                s=14,
                facecolors=fill,
                edgecolors=COLOURS[0],
                linewidths=0.8,
            )
    axes.set(
        xlim=(-1.1, STEP * (len(chosen) - 1) + 1.1),
        ylim=(-1.1, 1.1),
        aspect="equal",
        yticks=[],
        title="" if share > 1 - 1e-9 else f"three axes that carry {100 * share:.0f} % of the squared length",
    )
    axes.set_xticks(STEP * np.arange(len(chosen)), [depth_name(trajectory, int(index)) for index in chosen])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return axes


def depth_name(trajectory: Trajectory, index: int) -> str:
    """A depth as a reader would say it."""
    depth = trajectory.depth[index]
    if trajectory.axis == "layer":
        return f"layer {depth:g}"
    name = "log t" if trajectory.provenance.get("depth") == "log t" else "t"
    return f"{name} = {float(f'{depth:.3g}'):g}"
