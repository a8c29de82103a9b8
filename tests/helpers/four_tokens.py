"""Four tokens in general position, operators for them, and runs at tight tolerance: the oracles of `simulate`."""

import numpy as np

import sim

PAIRS = np.triu_indices(4, 1)
QUERY = np.pad([[1, 0.5, 0], [0, 1, -0.25], [0.1, 0, 1]], ((0, 1), (0, 1)))
KEY = np.pad([[0.8, 0, 0.2], [-0.3, 1, 0], [0, 0.4, 1.1]], ((0, 1), (0, 1)))
VALUE = np.pad([[1, 0.2, -0.4], [-0.2, 0.5, 0.3], [0.4, 0.1, -0.6]], ((0, 1), (0, 1)))


def embedded(points):
    """The points in R^4: one shape for most tests, since each shape is compiled anew."""
    return np.pad(points, ((0, 0), (0, 4 - points.shape[1])))


_PLACES = np.arange(4)
_POINTS = np.stack([np.sin(_PLACES + 1), np.cos(2 * _PLACES + 1), np.sin(3 * _PLACES + 2)], axis=-1)
START = embedded(_POINTS / np.linalg.norm(_POINTS, axis=1, keepdims=True))


def circle(*angles):
    return embedded(np.stack([np.cos(angles), np.sin(angles)], axis=-1))


def angle(x, y):
    """Angle by the chord, which keeps its digits where the points nearly meet."""
    return 2 * np.arcsin(np.linalg.norm(x - y) / 2)


def tight(field, x0, times, masses=None):
    return sim.simulate(field, x0, times, masses, rtol=1e-12, atol=1e-14)
