"""Starting points: on the sphere, reproducible, with the law and the shape that they claim."""

import numpy as np
import pytest
from scipy.stats import kstest

import sim


def test_uniform_points_are_unit_and_reproducible():
    x = sim.uniform(50, 7, seed=3)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-15)
    np.testing.assert_array_equal(x, sim.uniform(50, 7, seed=3))
    assert not np.array_equal(x, sim.uniform(50, 7, seed=4))


def test_coordinates_on_the_two_sphere_are_uniform():
    # Archimedes: each coordinate of a uniform point of S^2 is uniform on [-1, 1].
    for coordinate in sim.uniform(4000, 3, seed=0).T:
        assert kstest(coordinate, "uniform", (-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize(("d", "eps"), [(2, 0.1), (3, 0.05), (3, 1.9), (64, 0.2), (512, 0.01)])
def test_caps_hold_their_points(d, eps):
    centres = np.eye(d)[:2]
    x = sim.caps(centres, 40, eps, seed=1)
    assert x.shape == (80, d)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-15)
    heights = 1 - np.sum(x * np.repeat(centres, 40, axis=0), axis=1)
    assert np.all(heights <= eps * (1 + 1e-9))
    assert np.all(np.isfinite(heights))


def test_heights_in_a_cap_of_the_two_sphere_are_uniform():
    x = sim.caps(np.eye(3)[:1], 4000, 0.3, seed=2)
    assert kstest(1 - x[:, 0], "uniform", (0, 0.3)).pvalue > 1e-3
    azimuth = np.arctan2(x[:, 2], x[:, 1])
    assert kstest(azimuth, "uniform", (-np.pi, 2 * np.pi)).pvalue > 1e-3


def test_heights_in_high_dimension_follow_the_area():
    d, eps = 10, 0.4
    heights = 1 - sim.caps(np.eye(d)[:1], 4000, eps, seed=3)[:, 0]
    grid = np.linspace(0, eps, 4001)
    density = (grid * (2 - grid)) ** ((d - 3) / 2)
    share = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    assert kstest(heights, lambda h: np.interp(h, grid, share / share[-1])).pvalue > 1e-3


def test_a_cap_of_no_height_is_its_centre():
    np.testing.assert_allclose(
        sim.caps(np.eye(4)[:2], 3, 0.0), np.repeat(np.eye(4)[:2], 3, axis=0), atol=1e-15
    )


@pytest.mark.parametrize(("n", "d"), [(1, 2), (2, 2), (3, 2), (4, 3), (4, 8), (33, 32)])
def test_simplex_has_equal_angles_and_stands_still(n, d):
    x = sim.simplex(n, d)
    gram = np.eye(n) if n == 1 else np.eye(n) * n / (n - 1) - 1 / (n - 1)
    np.testing.assert_allclose(x @ x.T, gram, atol=1e-14)
    if n == 4:
        np.testing.assert_allclose(sim.Attention(3.0).velocity(x), 0, atol=1e-15)


def test_ring_is_equally_spaced_and_stands_still():
    x = sim.ring(5)
    np.testing.assert_allclose(np.sum(x * np.roll(x, 1, axis=0), axis=1), np.cos(2 * np.pi / 5), rtol=1e-14)
    np.testing.assert_allclose(sim.Attention(3.0, "USA").velocity(x), 0, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sim.uniform(0, 3), "at least 1 point"),
        (lambda: sim.uniform(3, 1), "at least 2 dimensions"),
        (lambda: sim.simplex(5, 3), "needs d >= 4"),
        (lambda: sim.ring(0), "at least 1 point"),
        (lambda: sim.caps(np.ones((2, 3)), 2, 0.1), "divide each row by its length"),
        (lambda: sim.caps(np.eye(3), 0, 0.1), "at least 1 point"),
        (lambda: sim.caps(np.eye(3), 2, 2.0), r"in \[0, 2\)"),
        (lambda: sim.caps(np.eye(3), 2, -0.1), r"in \[0, 2\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
