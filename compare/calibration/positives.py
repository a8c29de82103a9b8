"""Generators in which clusters form: the theory itself, and soft mixtures that grow."""

import numpy as np
from jaxtyping import Float

from compare.calibration.clouds import (
    at_centres,
    directions,
    frames,
    memberships,
    noise,
    one_of,
    softmax_attention,
)
from compare.calibration.flow import flow
from compare.calibration.generator import Clouds, Generator, Shape, layers, moments
from sim.sphere import caps

FIRST = 0.5


def of_the_theory(
    starts: Float[np.ndarray, "run token d"],
    times: Float[np.ndarray, " depth"],
    beta: float,
    kind: str = "SA",
    causal: bool = False,
    value: float = 1.0,
    start: str = "uniform",
) -> Clouds:
    """A group of runs of attention at one beta, with what `sim.simulate` would say of them, and SA's attention rows."""
    tokens = starts.shape[1]
    points = flow(starts, times, beta, kind, causal, value)
    seen = np.tri(tokens, dtype=bool) if causal else np.ones((tokens, tokens), bool)
    return Clouds(
        points,
        times,
        np.full(len(starts), beta),
        axis="time",
        facts={"kind": kind, "causal": causal, "start": start, "value": value},
        attention=softmax_attention(points, beta, seen),
    )


def sa(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA on S^2 from uniform points, beta 9 to 30, to t = 60 to 150."""
    times = moments(FIRST, random.uniform(60, 150), shape.depths)
    starts = directions(random, shape.runs, shape.tokens, 3)
    return of_the_theory(starts, times, random.uniform(9, 30))


def usa(random: np.random.Generator, shape: Shape) -> Clouds:
    """USA on S^2 from uniform points, beta 9 to 30; its clock is about 2 beta times slower, so t is 20 times longer."""
    times = moments(20 * FIRST, 20 * random.uniform(60, 150), shape.depths)
    starts = directions(random, shape.runs, shape.tokens, 3)
    return of_the_theory(starts, times, random.uniform(9, 30), kind="USA")


def sa_mid(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA from uniform points in 4 to 8 dimensions, beta 5 to 12."""
    times = moments(FIRST, random.uniform(60, 150), shape.depths)
    starts = directions(random, shape.runs, shape.tokens, one_of(random, range(4, 9)))
    return of_the_theory(starts, times, random.uniform(5, 12))


def causal(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA with a causal mask on S^2 from uniform points, beta 9 to 30."""
    times = moments(FIRST, random.uniform(60, 150), shape.depths)
    starts = directions(random, shape.runs, shape.tokens, 3)
    return of_the_theory(starts, times, random.uniform(9, 30), causal=True)


def in_caps(
    random: np.random.Generator, shape: Shape, clusters: int, d: int, height: float
) -> Float[np.ndarray, "run token d"]:
    """Tokens in orthogonal caps of 1 - cos = `height`, in random order."""
    per_cap = -(-shape.tokens // clusters)
    seeds = random.integers(2**31, size=shape.runs)
    axes = frames(random, shape.runs, d, clusters)
    clouds = [caps(centres, per_cap, height, int(seed)) for centres, seed in zip(axes, seeds)]
    return np.stack([random.permutation(cloud)[: shape.tokens] for cloud in clouds])


def orthogonal_caps(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA from 3 to 6 orthogonal caps, beta 12 to 30: a plateau to the end, which would come at t of order e^beta."""
    d = one_of(random, (4, 6, 8, 16))
    clusters = random.integers(3, min(6, d) + 1)
    starts = in_caps(random, shape, int(clusters), d, random.uniform(0.05, 0.25))
    times = moments(0.2 * FIRST, random.uniform(60, 150), shape.depths)
    return of_the_theory(starts, times, random.uniform(12, 30), start="caps")


def fuzzy(random: np.random.Generator, shape: Shape) -> Clouds:
    """Soft clusters in 16 to 64 dimensions that grow over the first third of the layers, with jitter at each layer."""
    d, clusters = one_of(random, (16, 32, 64)), one_of(random, range(3, 7))
    strength = random.uniform(1.1, 1.4) * np.clip(layers(shape.depths) / (shape.depths / 3), 0.1, 1)
    members = memberships(random, shape.runs, shape.tokens, clusters)
    centred = at_centres(directions(random, shape.runs, clusters, d), members)
    own = noise(random, shape.runs, shape.tokens, d)
    jitter = noise(random, shape.runs, shape.depths, shape.tokens, d)
    points = strength[:, None, None] * centred[:, None] + 0.7 * own[:, None] + 0.25 * jitter
    return Clouds(points, layers(shape.depths), np.full(shape.runs, random.uniform(2, 8)))


POSITIVES = (
    Generator(
        "sa",
        "SA on S^2 from uniform points",
        {"H1": True, "H2": "oracle", "H4": "oracle", "H6": True, "P20": True},
        sa,
    ),
    Generator(
        "usa",
        "USA on S^2 from uniform points",
        {"H1": True, "H2": "oracle", "H4": "oracle", "P20": True},
        usa,
    ),
    Generator(
        "sa_mid",
        "SA from uniform points in 4 to 8 dimensions",
        {"H1": True, "H2": "oracle", "H4": "oracle", "P20": True},
        sa_mid,
    ),
    Generator(
        "causal",
        "SA on S^2 with a causal mask",
        {"H1": True, "H2": "oracle", "H4": "oracle", "H6": True, "P10": True, "P20": True},
        causal,
    ),
    Generator(
        "caps",
        "SA from orthogonal caps",
        {"H1": True, "H2": True, "H4": "oracle", "H6": True, "P20": True},
        orthogonal_caps,
    ),
    Generator(
        "fuzzy",
        "soft clusters that grow, with jitter",
        {"H1": True, "H4": "oracle", "P20": True},
        fuzzy,
    ),
)
