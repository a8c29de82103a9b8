"""Tokens drawn on the sphere: in their own leading directions, at depths that are read at a glance."""

import numpy as np
import pytest

import sim
from compare.plot.tokens import depth_name, principal_axes
from compare.reporting.spheres import player


def test_spheres_keep_the_geometry_of_s2():
    """On S^2 the picture loses nothing: cosines follow from the places, and the share is 1."""
    points = np.stack([sim.uniform(20, 3, seed) for seed in range(5)])
    axes, share = principal_axes(points)
    assert share == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    found = player(sim.Trajectory(points, np.arange(5)))
    assert found.depths == [f"t = {depth}" for depth in range(5)]
    assert found.clusters == 0
    for places, x in zip(found.points, points):
        seen = np.reshape(places, (20, 3)) / 1000
        np.testing.assert_allclose(
            seen @ seen.T, x @ x.T, atol=2e-3
        )  # places are rounded to 5e-4 in each axis


def test_spheres_on_the_circle_and_of_long_runs():
    one = player(sim.Trajectory(sim.ring(5)[None], [0.0]))
    assert one.share == pytest.approx(1)
    assert one.depths == ["t = 0"]
    assert np.reshape(one.points[0], (5, 3))[:, 2].tolist() == [0] * 5
    long = player(sim.Trajectory(np.repeat(sim.ring(5)[None], 200, 0), np.arange(200)))
    assert len(long.depths) == len(long.points) == 26
    assert long.depths[-1] == "t = 199"


def test_depths_of_spheres_are_read_at_a_glance():
    times = [0.0, 0.0740568, 1234.0, 2e6]
    found = sim.Trajectory(np.repeat(sim.ring(5)[None], 4, 0), times)
    assert [depth_name(found, place) for place in range(4)] == [
        "t = 0",
        "t = 0.0741",
        "t = 1230",
        "t = 2e+06",
    ]


def test_axes_of_spheres_point_to_the_side_of_the_mean():
    """Up is where the tokens gather, whatever sign the eigenvectors come with."""
    points = sim.caps(-np.eye(4)[:1], 20, 0.3, 1)[None]
    axes, _ = principal_axes(points)
    assert ((points @ axes).sum(axis=(0, 1)) >= 0).all()
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)  # orthonormal to rounding
