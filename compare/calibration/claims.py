"""Generators with attention, controls or the theory's own claims, true ones and false ones."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

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
from compare.calibration.generator import Clouds, Draw, Generator, Shape, layers, moments
from compare.calibration.negatives import mean, over_layers
from compare.calibration.positives import FIRST, fuzzy, in_caps, of_the_theory
from compare.theory import separation

BETAS = (8.0, 64.0)
ESCAPES = (4000.0, 8000.0)
PARTS = ("group", "random", "shuffled")
CONTROL_FACTS = {
    "group": {"init": "trained", "control": None},
    "random": {"init": "random", "control": None},
    "shuffled": {"init": "trained", "control": "shuffled"},
}


def following(random: np.random.Generator, shape: Shape) -> Clouds:
    """Clusters that tighten, read by one causal head that attends by likeness, at beta 4 to 8."""
    return _read(random, shape, in_order=False, by_likeness=True)


def blind(random: np.random.Generator, shape: Shape) -> Clouds:
    """The same clusters under a causal head whose weights fall with distance and favour some keys, at random."""
    return _read(random, shape, in_order=False, by_likeness=False)


def distracted(random: np.random.Generator, shape: Shape) -> Clouds:
    """The same clusters under a causal head that attends by likeness in clusters of its own, of other members."""
    seen, other = following(random, shape), following(random, shape)
    return replace(seen, attention=other.attention)


def local_clusters(random: np.random.Generator, shape: Shape) -> Clouds:
    """The blind head over clusters that are stretches of the text: it stays inside them, by position alone."""
    return _read(random, shape, in_order=True, by_likeness=False)


def _read(random: np.random.Generator, shape: Shape, in_order: bool, by_likeness: bool) -> Clouds:
    d, clusters = one_of(random, (8, 16, 64)), one_of(random, range(3, 7))
    members = memberships(random, shape.runs, shape.tokens, clusters)
    members = np.sort(members, axis=1) if in_order else members
    placed = at_centres(directions(random, shape.runs, clusters, d), members)
    own = noise(random, shape.runs, 1, shape.tokens, d)
    width = np.geomspace(1.5, 0.2, shape.depths)[:, None, None]
    clouds = over_layers(random, shape, placed[:, None] + width * own)
    seen = np.tri(shape.tokens, dtype=bool)
    if by_likeness:
        attention = softmax_attention(clouds.points, random.uniform(4, 8), seen)
    else:
        place = np.arange(shape.tokens)
        favoured = random.standard_normal((shape.runs, shape.depths, 1, 1, shape.tokens))
        logits = favoured - np.abs(place[:, None] - place) / random.uniform(4, 16)
        weights = np.exp(logits) * seen
        attention = weights / weights.sum(axis=-1, keepdims=True)
    return replace(clouds, attention=attention, facts={"causal": True})


def with_controls(random: np.random.Generator, shape: Shape, soft: Sequence[str]) -> Clouds:
    """A model's runs with both controls: soft clusters in the parts named by `soft`, a growing mean in the others."""
    d = 32
    parts, own = [], []
    for part in PARTS:
        clouds = _in_dimension(fuzzy if part in soft else mean, random, shape, d)
        parts.append(clouds.points)
        own.extend(
            {"part": part, "model": "synthetic", "prompt": f"text {run}", **CONTROL_FACTS[part]}
            for run in range(shape.runs)
        )
    beta = np.full(len(PARTS) * shape.runs, random.uniform(2, 8))
    return Clouds(np.concatenate(parts), layers(shape.depths), beta, own=tuple(own))


def _in_dimension(draw: Draw, random: np.random.Generator, shape: Shape, d: int) -> Clouds:
    """The first draw in `d` dimensions or more, cut to `d` in a random frame."""
    while (clouds := draw(random, shape)).points.shape[-1] < d:
        pass
    axes = frames(random, 1, clouds.points.shape[-1], d)[0]
    return replace(clouds, points=clouds.points @ axes.T)


def cone(random: np.random.Generator, shape: Shape, speed: float) -> Clouds:
    """SA from one cap of 60 degrees at beta 1 to 4, run `speed` times as fast as its record says, not rounded."""
    d = one_of(random, (3, 8, 16))
    times = np.linspace(0, random.uniform(4, 5), shape.depths)
    starts = in_caps(random, shape, 1, d, 0.5)
    made = of_the_theory(starts, times, random.uniform(1, 4), start="blob")
    return replace(made, points=flow(starts, speed * times, made.beta), dtype="float64")


def trapped(random: np.random.Generator, shape: Shape, value: float) -> Clouds:
    """V = `value` I, said to be SA, from orthogonal caps, with five depths round the time T2 of Theorem 1.2."""
    height = random.uniform(0.002, 0.005)
    starts = in_caps(random, shape, 3, one_of(random, (3, 8)), height)
    log_escape = np.log(random.uniform(*ESCAPES))
    beta = (log_escape + np.log(shape.tokens / height)) / (1 - separation(np.eye(3), height))
    late = np.exp(log_escape) * np.geomspace(0.3, 1.5, 5)
    times = np.concatenate([moments(FIRST, 10.0, shape.depths - len(late)), late])
    made = of_the_theory(starts, times, beta, value=value, start="caps")
    return replace(made, facts={**made.facts, "value": 1.0})


def over_beta(random: np.random.Generator, shape: Shape, honest: bool) -> Clouds:
    """SA from uniform points on the circle at beta from 8 to 64; where not honest, all are run at the middle one.

    Twice the tokens of the group, so that the clusters, about sqrt(2 beta), can be told apart.
    """
    betas = np.geomspace(*BETAS, shape.runs)
    true = betas if honest else np.full(shape.runs, np.sqrt(np.prod(BETAS)))
    times = moments(FIRST, 30.0, shape.depths)
    starts = directions(random, shape.runs, 2 * shape.tokens, 2)
    facts = {"kind": "SA", "start": "uniform"}
    return Clouds(flow(starts, times, true), times, betas, axis="time", facts=facts)


def unmasked(random: np.random.Generator, shape: Shape) -> Clouds:
    """SA on S^2 without a mask, said to be causal."""
    times = moments(FIRST, random.uniform(60, 150), shape.depths)
    starts = directions(random, shape.runs, shape.tokens, 3)
    made = of_the_theory(starts, times, random.uniform(9, 30))
    return replace(made, facts={**made.facts, "causal": True}, attention=None)


CLAIMS = (
    Generator("following", "attention by likeness over clusters", {"H6": True}, following),
    Generator("blind", "attention by position and key over clusters", {"H6": False}, blind),
    Generator("distracted", "attention by likeness to clusters of other members", {"H6": False}, distracted),
    Generator("local", "attention by position over stretches of text", {"H6": False}, local_clusters),
    Generator(
        "learned",
        "soft clusters in the trained runs only",
        {"H1": True, "H7": True},
        partial(with_controls, soft=("group",)),
    ),
    Generator(
        "unlearned",
        "soft clusters with random weights too",
        {"H1": True, "H7": False},
        partial(with_controls, soft=("group", "random")),
    ),
    Generator(
        "words",
        "soft clusters with shuffled tokens too",
        {"H1": True, "H7": False},
        partial(with_controls, soft=("group", "shuffled")),
    ),
    Generator("cone", "SA from one cap", {"P2": True, "H1": False, "H2": False}, partial(cone, speed=1.0)),
    Generator("slow_cone", "the same at half the speed it claims", {"P2": False}, partial(cone, speed=0.5)),
    Generator("trapped", "SA from small caps", {"P5": True, "H2": True}, partial(trapped, value=1.0)),
    Generator(
        "leaving", "V = -I from small caps, said to be SA", {"P5": False}, partial(trapped, value=-1.0)
    ),
    Generator("over_beta", "SA on the circle over beta", {"P9": True}, partial(over_beta, honest=True)),
    Generator(
        "one_beta", "SA at one beta, said to be several", {"P9": False}, partial(over_beta, honest=False)
    ),
    Generator("unmasked", "SA without a mask, said to be causal", {"P10": False}, unmasked),
)
