"""Generators without clusters, that a careless statistic takes for clustering: noise, drifts, collapse, odd shapes."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from compare.calibration.clouds import (
    anisotropic,
    at_centres,
    directions,
    frames,
    memberships,
    noise,
    one_of,
    spectra,
)
from compare.calibration.generator import Clouds, Generator, Shape, layers, moments
from compare.calibration.positives import FIRST, in_caps, of_the_theory
from sim.sphere import normalise

Points = Float[np.ndarray, "run depth token d"]


def over_layers(
    random: np.random.Generator, shape: Shape, points: Points, tokens: tuple[str, ...] | None = None
) -> Clouds:
    """Clouds that belong to no dynamics, on the axis of layers; their energy is asked for at one beta from 2 to 8."""
    beta = np.full(shape.runs, random.uniform(2, 8))
    return Clouds(points, layers(shape.depths), beta, tokens=tokens)


def _share(shape: Shape) -> Float[np.ndarray, "depth 1 1"]:
    """How far through the layers: 0 at the first, 1 at the last."""
    return np.linspace(0, 1, shape.depths)[:, None, None]


def _common(random: np.random.Generator, shape: Shape, d: int) -> Float[np.ndarray, "run 1 1 d"]:
    """A unit vector a run: the direction of its common mean."""
    return directions(random, shape.runs, 1, 1, d)


def iid(random: np.random.Generator, shape: Shape) -> Clouds:
    """A fresh anisotropic Gaussian cloud at each layer, with one law for all of them."""
    d = one_of(random, (3, 8, 16, 64))
    mean = random.uniform(0, 1) * _common(random, shape, d)
    law = spectra(random, shape.runs, d, random.uniform(0.2, 1))
    fresh = noise(random, shape.runs, shape.depths, shape.tokens, d)
    return over_layers(random, shape, mean + fresh @ law[:, None])


def frozen(random: np.random.Generator, shape: Shape) -> Clouds:
    """One Gaussian cloud that stands still, with jitter at each layer."""
    d = one_of(random, (3, 8, 16, 64))
    mean = random.uniform(0, 1) * _common(random, shape, d)
    still = anisotropic(random, shape.runs, shape.tokens, d)[:, None]
    jitter = noise(random, shape.runs, shape.depths, shape.tokens, d)
    return over_layers(random, shape, mean + still + random.uniform(0.1, 0.4) * jitter)


def mean(random: np.random.Generator, shape: Shape) -> Clouds:
    """Gaussian tokens that stand still in an anisotropic cloud while their common mean grows."""
    d = one_of(random, (3, 8, 16, 64))
    growth = random.uniform(1.5, 4) * _share(shape) * _common(random, shape, d)
    return over_layers(random, shape, growth + anisotropic(random, shape.runs, shape.tokens, d)[:, None])


def drift(random: np.random.Generator, shape: Shape) -> Clouds:
    """A Gaussian cloud of which three directions are scaled and two of them turned, steadily."""
    d = one_of(random, (3, 8, 16, 64))
    axes = frames(random, shape.runs, d, 3)
    cloud = anisotropic(random, shape.runs, shape.tokens, d) + 0.5 * directions(random, shape.runs, 1, d)
    inside = (cloud @ axes.swapaxes(1, 2))[:, None]
    scaled = inside * np.exp(_share(shape) * random.uniform(-1, 1, size=3))
    angle = random.uniform(0.5, 2) * _share(shape)[..., 0]
    first = np.cos(angle) * scaled[..., 0] - np.sin(angle) * scaled[..., 1]
    second = np.sin(angle) * scaled[..., 0] + np.cos(angle) * scaled[..., 1]
    turned = np.stack([first, second, scaled[..., 2]], axis=-1)
    return over_layers(random, shape, cloud[:, None] + (turned - inside) @ axes[:, None])


def smallbeta(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA at beta 0.3 to 1.5: all tokens gather at one point, without clusters on the way."""
    starts = directions(random, shape.runs, shape.tokens, one_of(random, (3, 4, 8, 16)))
    times = moments(0.2 * FIRST, random.uniform(4, 12), shape.depths)
    return of_the_theory(starts, times, random.uniform(0.3, 1.5))


def walk(random: np.random.Generator, shape: Shape) -> Clouds:
    """Each token steps as far as under SA on S^2 (beta 9 to 30) from layer to layer, but in a direction at random."""
    times = moments(FIRST, random.uniform(60, 150), shape.depths)
    beta = random.uniform(9, 30)
    model = of_the_theory(directions(random, shape.runs, shape.tokens, 3), times, beta).points
    angles = np.arccos(np.clip(np.sum(model[:, 1:] * model[:, :-1], axis=-1), -1, 1))[..., None]
    points = np.empty_like(model)
    points[:, 0] = model[:, 0]
    for depth in range(shape.depths - 1):
        x = points[:, depth]
        sideways = random.standard_normal(x.shape)
        sideways = normalise(sideways - np.sum(sideways * x, axis=-1, keepdims=True) * x)
        points[:, depth + 1] = np.cos(angles[:, depth]) * x + np.sin(angles[:, depth]) * sideways
    return Clouds(points, times, np.full(shape.runs, beta), axis="time")


def repelled_blob(random: np.random.Generator, shape: Shape) -> Clouds:
    """V = -I from one blob: tokens repel each other, the energy falls."""
    d = one_of(random, range(3, 9))
    width = random.uniform(0.3, 0.8)
    blob = normalise(
        directions(random, shape.runs, 1, d) + width * noise(random, shape.runs, shape.tokens, d)
    )
    times = moments(0.2 * FIRST, random.uniform(5, 20), shape.depths)
    return of_the_theory(blob, times, random.uniform(2, 10), value=-1.0, start="blob")


def repelled_caps(random: np.random.Generator, shape: Shape) -> Clouds:
    """V = -I from four orthogonal caps, which melt late on an axis of log time."""
    starts = in_caps(random, shape, 4, one_of(random, range(4, 9)), random.uniform(0.005, 0.05))
    times = moments(0.02 * FIRST, random.uniform(4, 10), shape.depths)
    return of_the_theory(starts, times, random.uniform(5, 12), value=-1.0, start="caps")


def ring(random: np.random.Generator, shape: Shape) -> Clouds:
    """Tokens along an arc of a circle that opens from 60 degrees to 200 to 300, around it a jitter that shrinks."""
    d = one_of(random, (3, 8, 16))
    plane = frames(random, shape.runs, d, 2)[:, None]
    opening = np.pi / 3 + (random.uniform(200, 300) * np.pi / 180 - np.pi / 3) * _share(shape)[..., 0]
    angle = random.uniform(-0.5, 0.5, (shape.runs, 1, shape.tokens)) * opening
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ plane
    jitter = noise(random, shape.runs, shape.depths, shape.tokens, d)
    return over_layers(random, shape, arc + (0.2 - 0.15 * _share(shape)) * jitter)


def lowd(random: np.random.Generator, shape: Shape) -> Clouds:
    """A Gaussian cloud in 3 or 4 dimensions whose axes grow at different rates."""
    d = one_of(random, (3, 4))
    rates = np.sort(random.uniform(-1, 1, size=d))
    cloud = noise(random, shape.runs, 1, shape.tokens, d) + 0.5 * _common(random, shape, d)
    return over_layers(random, shape, cloud * np.exp(_share(shape) * rates))


def heavy(random: np.random.Generator, shape: Shape) -> Clouds:
    """A core of 60 to 80 per cent of the tokens that gets denser inside a halo that stays."""
    d = one_of(random, (3, 8, 16))
    core = np.arange(shape.tokens) < random.uniform(0.6, 0.8) * shape.tokens
    radius = np.where(core[:, None], 0.6 - 0.45 * _share(shape), 0.8)
    cloud = noise(random, shape.runs, 1, shape.tokens, d)
    return over_layers(random, shape, _common(random, shape, d) + radius * cloud)


def artok(random: np.random.Generator, shape: Shape) -> Clouds:
    """Tokens correlated along their position (autoregression 0.5 to 0.8) around a mean that grows."""
    d, memory = one_of(random, (8, 16, 64)), random.uniform(0.5, 0.8)
    fresh = noise(random, shape.runs, shape.tokens, d)
    chain = fresh.copy()
    for token in range(1, shape.tokens):
        chain[:, token] = memory * chain[:, token - 1] + np.sqrt(1 - memory**2) * fresh[:, token]
    growth = random.uniform(1.5, 3) * _share(shape) * _common(random, shape, d)
    return over_layers(random, shape, growth + chain[:, None])


def student(random: np.random.Generator, shape: Shape) -> Clouds:
    """Tokens of a Student law with 2.5 degrees of freedom around a mean that grows: far ones, but one cluster."""
    d = one_of(random, (3, 8, 16, 64))
    tail = np.sqrt(2.5 / random.chisquare(2.5, size=(shape.runs, shape.tokens, 1)))
    cloud = (tail * anisotropic(random, shape.runs, shape.tokens, d))[:, None]
    growth = random.uniform(1.5, 4) * _share(shape) * _common(random, shape, d)
    return over_layers(random, shape, growth + cloud)


def classes(random: np.random.Generator, shape: Shape) -> Clouds:
    """Two classes of token (words and punctuation) apart from the first layer on, around a mean that doubles.

    The mean is long from the start: around a short one the sphere would show the classes only later.
    """
    d = one_of(random, (8, 16, 64))
    second = random.random((shape.runs, 1, shape.tokens, 1)) < random.uniform(0.25, 0.4)
    offset = random.uniform(1, 2) * second * _common(random, shape, d)
    cloud = 0.7 * anisotropic(random, shape.runs, shape.tokens, d)[:, None]
    growth = 2 * (1 + _share(shape)) * _common(random, shape, d)
    return over_layers(random, shape, growth + offset + cloud)


def gains(random: np.random.Generator, shape: Shape) -> Clouds:
    """The coordinates of a Gaussian cloud in 16 to 64 dimensions grow, each at a rate of its own."""
    d = one_of(random, (16, 32, 64))
    rates = random.uniform(0.5, 1) * random.standard_normal(d)
    cloud = noise(random, shape.runs, 1, shape.tokens, d) + 0.5 * _common(random, shape, d)
    return over_layers(random, shape, cloud * np.exp(_share(shape) * rates))


def rotating(random: np.random.Generator, shape: Shape) -> Clouds:
    """A cloud that stands still, with jitter, in a frame that turns by up to 1 radian a layer."""
    still = frozen(random, shape).points
    d = still.shape[-1]
    turned = still.copy()
    plane = frames(random, shape.runs, d, 2)[:, None]
    inside = still @ plane.swapaxes(-1, -2)
    angle = random.uniform(0.2, 1) * layers(shape.depths)
    spin = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1)
    turned += (inside @ spin.reshape(1, -1, 2, 2) - inside) @ plane
    return over_layers(random, shape, turned)


def curve(random: np.random.Generator, shape: Shape) -> Clouds:
    """Tokens along a smooth closed curve of their position, whose size grows over the layers, with noise around it."""
    d = one_of(random, (8, 16, 64))
    position = 2 * np.pi * np.arange(shape.tokens) / shape.tokens + random.uniform(0, 2 * np.pi)
    waves = np.stack([f(k * position) for k in (1, 2, 3) for f in (np.cos, np.sin)], axis=-1)
    path = waves @ noise(random, shape.runs, waves.shape[1], d) / np.sqrt(3)
    cloud = 0.3 * noise(random, shape.runs, 1, shape.tokens, d)
    size = 0.2 + random.uniform(1, 2) * _share(shape)
    return over_layers(random, shape, _common(random, shape, d) + cloud + size * path[:, None])


def repeats(random: np.random.Generator, shape: Shape) -> Clouds:
    """As `mean`, but some words occur two to four times: copies start almost equal and part over the layers.

    There are as many different words as the group has tokens, and copies besides.
    """
    words = mean(random, shape).points
    copies = np.concatenate([np.arange(shape.tokens), random.choice(shape.tokens // 4, shape.tokens // 2)])
    apart = 0.02 + random.uniform(0.2, 0.5) * _share(shape)
    parted = apart * noise(random, shape.runs, 1, len(copies), words.shape[-1])
    return over_layers(random, shape, words[:, :, copies] + parted, tuple(f"word {k}" for k in copies))


def sink(random: np.random.Generator, shape: Shape) -> Clouds:
    """As `mean`, with one token, not marked, that goes off on its own, far from all others."""
    points = mean(random, shape).points
    d = points.shape[-1]
    points[:, :, 0] += 5 * _share(shape)[..., 0] * directions(random, shape.runs, 1, d)
    return over_layers(random, shape, points)


def star(random: np.random.Generator, shape: Shape) -> Clouds:
    """Tokens all along 3 to 6 straight arms that grow out of one centre, with noise around them."""
    d, arms = one_of(random, (8, 16, 64)), one_of(random, range(3, 7))
    axes = directions(random, shape.runs, arms, d)
    along = random.uniform(size=(shape.runs, shape.tokens, 1))
    placed = along * at_centres(axes, memberships(random, shape.runs, shape.tokens, arms))
    cloud = random.uniform(0.1, 0.3) / np.sqrt(d) * noise(random, shape.runs, shape.tokens, d)
    length = 0.2 + random.uniform(1, 2) * _share(shape)
    return over_layers(random, shape, _common(random, shape, d) + length * (placed + cloud)[:, None])


NEVER = {"H1": False, "H2": False, "H3": False, "H4": "oracle"}
STILL = {"H1": False, "H2": False, "H3": False, "H4": False}


def _negative(
    name: str, meaning: str, draw: Callable[[np.random.Generator, Shape], Clouds], moves: bool = True
) -> Generator:
    """A generator without clusters; where nothing moves but noise, its energy has no direction either."""
    return Generator(name, meaning, {**(NEVER if moves else STILL), "P20": False}, draw)


NEGATIVES = (
    _negative("iid", "fresh clouds at each layer", iid, moves=False),
    _negative("frozen", "a cloud that stands still, with jitter", frozen, moves=False),
    _negative("mean", "a common mean that grows", mean),
    _negative("drift", "three directions scaled and turned", drift),
    _negative("smallbeta", "SA at small beta: collapse without clusters", smallbeta),
    _negative("rw", "random walk with the step lengths of SA", walk),
    _negative("vneg", "V = -I from a blob", repelled_blob),
    Generator("vneg_caps", "V = -I from four caps", NEVER, repelled_caps),
    _negative("ring", "an arc that opens", ring),
    _negative("lowd", "axes that grow at different rates, d = 3 or 4", lowd),
    _negative("heavy", "a dense core with a halo", heavy),
    _negative("artok", "tokens correlated along position", artok),
    _negative("student", "heavy tails around a mean that grows", student),
    Generator("classes", "two static classes of token", {"H1": False, "H3": False, "H4": "oracle"}, classes),
    _negative("gains", "coordinates that grow at rates of their own", gains),
    _negative("rotating", "a still cloud with jitter in a frame that turns", rotating, moves=False),
    _negative("curve", "tokens along a curve of their position", curve),
    Generator(
        "repeats",
        "repeated words that part, named",
        {"H1": False, "H2": False, "H3": False, "P20": False},
        repeats,
    ),
    _negative("sink", "one token that goes off, not marked", sink),
    _negative("star", "arms that grow out of one centre", star),
)
