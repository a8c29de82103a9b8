"""Clouds of points, and what the two presets measure on them."""

import numpy as np

from compare.metrics.measurement import measure
from sim.trajectory import Trajectory
from tests.helpers.vectors import unit


def in_time(points, **facts):
    return Trajectory(points, np.arange(float(len(points))), provenance={"beta": 4.0, **facts})


def measured(points, draws=19, **facts):
    return measure(in_time(points, **facts), draws=draws)


def groups(random, tokens, dim, clusters, width):
    """Tokens around orthogonal centres, in random order."""
    labels = random.permutation(np.arange(tokens) % clusters)
    return np.eye(dim)[labels] + width * random.standard_normal((tokens, dim)), labels


def narrowing():
    """Raw vectors (depth, token, dim) from nearly uniform to a common mean, so that every count varies."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((5, 26, 9))
    raw = noise + np.linspace(0, 2.5, 5)[:, None, None] * rng.standard_normal(9)
    raw[:, 5] = raw[:, 4] + 1e-3 * noise[:, 5]
    return raw * np.exp(rng.standard_normal((5, 26, 1)))


def published(raw):
    """The published preset on raw vectors, whose tokens are seven words in turn."""
    tokens = [f"word{token % 7}" for token in range(raw.shape[1])]
    depth, norms = np.arange(float(len(raw))), np.linalg.norm(raw, axis=-1)
    trajectory = Trajectory(unit(raw), depth, axis="layer", norms=norms, tokens=tokens)
    return measure(trajectory, preset="published")
