"""Clouds of points for tests of the calibrated preset, and what it measures on them."""

import numpy as np

from compare.metrics.measurement import measure
from sim.trajectory import Trajectory


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def in_time(points, **facts):
    return Trajectory(points, np.arange(float(len(points))), provenance={"beta": 4.0, **facts})


def measured(points, draws=19, **facts):
    return measure(in_time(points, **facts), draws=draws)


def groups(random, tokens, dim, clusters, width):
    """Tokens around orthogonal centres, in random order."""
    labels = random.permutation(np.arange(tokens) % clusters)
    return np.eye(dim)[labels] + width * random.standard_normal((tokens, dim)), labels
