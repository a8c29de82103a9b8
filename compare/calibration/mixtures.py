"""Generators of planted clusters: static, fresh at each layer, changing hands, sharpening, or with drifting centres."""

import numpy as np
from jaxtyping import Float

from compare.calibration.clouds import at_centres, directions, memberships, noise, one_of
from compare.calibration.generator import Clouds, Generator, Shape
from compare.calibration.negatives import STILL, over_layers

DIMENSIONS = (8, 16, 64)
TIGHT = 0.25


def fresh_clusters(random: np.random.Generator, shape: Shape) -> Clouds:
    """New clusters, with new centres and members, at each layer."""
    d, clusters = one_of(random, DIMENSIONS), one_of(random, range(3, 7))
    each = shape.runs * shape.depths
    members = memberships(random, each, shape.tokens, clusters)
    placed = at_centres(directions(random, each, clusters, d), members)
    points = placed + TIGHT * noise(random, each, shape.tokens, d)
    return over_layers(random, shape, points.reshape(shape.runs, shape.depths, shape.tokens, d))


def frozen_clusters(random: np.random.Generator, shape: Shape) -> Clouds:
    """Clusters that stand still from the first layer, with jitter."""
    d, clusters = one_of(random, DIMENSIONS), one_of(random, range(3, 7))
    members = memberships(random, shape.runs, shape.tokens, clusters)
    placed = at_centres(directions(random, shape.runs, clusters, d), members)
    jitter = noise(random, shape.runs, shape.depths, shape.tokens, d)
    return over_layers(random, shape, placed[:, None] + TIGHT * jitter)


def churn(random: np.random.Generator, shape: Shape) -> Clouds:
    """Clusters tighten over the first third of the layers; a quarter of the tokens change cluster at each layer."""
    d, clusters = one_of(random, DIMENSIONS), one_of(random, range(3, 7))
    centres = directions(random, shape.runs, clusters, d)
    members = memberships(random, shape.runs, shape.tokens, clusters)
    own = noise(random, shape.runs, shape.tokens, d)
    points = []
    for width in _widths(shape):
        moved = random.random(members.shape) < 0.25
        others = random.integers(1, clusters, members.shape)
        members = np.where(moved, (members + others) % clusters, members)
        points.append(at_centres(centres, members) + width * own)
    return over_layers(random, shape, np.stack(points, axis=1))


def sharpen(random: np.random.Generator, shape: Shape) -> Clouds:
    """One partition whose clusters, too wide to be seen at first, get tighter at every layer."""
    d, clusters = one_of(random, DIMENSIONS), one_of(random, range(3, 7))
    members = memberships(random, shape.runs, shape.tokens, clusters)
    placed = at_centres(directions(random, shape.runs, clusters, d), members)
    own = noise(random, shape.runs, 1, shape.tokens, d)
    width = np.geomspace(1.5, 0.1, shape.depths)[:, None, None]
    return over_layers(random, shape, placed[:, None] + width * own)


def drifting_centres(random: np.random.Generator, shape: Shape) -> Clouds:
    """One partition forms over the first third of the layers; its centres wander all the while."""
    d, clusters = one_of(random, DIMENSIONS), one_of(random, range(3, 7))
    members = memberships(random, shape.runs, shape.tokens, clusters)
    steps = noise(random, shape.runs, shape.depths, clusters, d)
    centres = directions(random, shape.runs, 1, clusters, d) + 0.25 * np.cumsum(steps, axis=1)
    placed = np.take_along_axis(centres, members[:, None, :, None], axis=2)
    own = noise(random, shape.runs, 1, shape.tokens, d)
    return over_layers(random, shape, placed + _widths(shape)[:, None, None] * own)


def _widths(shape: Shape) -> Float[np.ndarray, " depth"]:
    """Width of a cluster: too wide to be seen at first, tight after a third of the layers."""
    formed = np.clip(np.linspace(0, 3, shape.depths), 0, 1)
    return 1.5 * (TIGHT / 1.5) ** formed


MIXTURES = (
    Generator("iidclus", "new clusters at each layer", STILL | {"P20": True}, fresh_clusters),
    Generator("frozenclus", "clusters that stand still, with jitter", STILL | {"P20": True}, frozen_clusters),
    Generator(
        "churn",
        "clusters whose members change",
        {"H1": True, "H2": False, "H3": False, "H4": "oracle", "P20": True},
        churn,
    ),
    Generator("sharpen", "one partition that sharpens", {"H1": True, "H4": "oracle", "P20": True}, sharpen),
    Generator(
        "cdrift",
        "one partition, centres that drift",
        {"H1": True, "H4": "oracle", "P20": True},
        drifting_centres,
    ),
)
