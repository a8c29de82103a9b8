"""Spheres side by side: on S^2 every token stands where it is, and its side can be told."""

import numpy as np
import pytest
from matplotlib.patches import Circle

import sim
from compare import plot
from compare.plot.tokens import STEP, projected

RUN = sim.Trajectory(np.stack([sim.uniform(20, 3, seed) for seed in range(5)]), np.arange(5))


def test_each_depth_is_a_sphere_with_all_its_tokens():
    axes = plot.sphere(RUN, [0, 3])
    assert [circle.center[0] for circle in axes.patches if isinstance(circle, Circle)] == [0, STEP]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["t = 0", "t = 3"]
    points, share = projected(RUN.points)
    assert share == pytest.approx(1, abs=1e-12)
    for place, index in enumerate((0, 3)):
        far, near = axes.collections[2 * place : 2 * place + 2]
        assert len(near.get_facecolor()) == 1
        assert len(far.get_facecolor()) == 0
        places = np.concatenate([far.get_offsets(), near.get_offsets()])
        up, side, towards = points[index].T
        order = np.argsort(towards >= 0, kind="stable")
        np.testing.assert_allclose(places, np.stack([STEP * place + side, up], axis=1)[order], atol=1e-12)
    assert axes.get_title() == ""


def test_more_dimensions_say_what_is_lost():
    run = sim.Trajectory(sim.uniform(40, 8)[None], [0.0])
    _, share = projected(run.points)
    assert plot.sphere(run).get_title() == f"three axes that carry {100 * share:.0f} % of the squared length"


def test_four_depths_where_none_are_named_and_none_that_are_not_there():
    assert len(plot.sphere(RUN).patches) == 4
    with pytest.raises(ValueError, match=r"from -5 to 4, one or more, got \[5\]"):
        plot.sphere(RUN, [5])
    with pytest.raises(ValueError, match="one or more"):
        plot.sphere(RUN, [])
