"""Clusters planted in the texts that trained models read, and the same texts with no cluster left in them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
from scipy.linalg import helmert
from scipy.stats import ortho_group

from compare.calibration.clouds import one_of
from compare.calibration.generator import Clouds, Generator, Shape, Truth
from compare.judging.limits import HOLD, STAGE, Course
from compare.metrics import exclusions
from compare.metrics.planting import planted
from sim.sphere import normalise
from sim.trajectory import Trajectory

MODELS = ("gpt2-128", "bert-128", "albert-128")
TOKENS = 96
"""Read of each text: all but the shortest texts have as many."""


@cache
def readings(model: str) -> tuple[Trajectory, ...]:
    """The texts of the project of `TOKENS` tokens or more, as a model that is part of it reads that many of them."""
    import probe

    read = [
        probe.extract(model, prompt.text, frame="layernorm", max_tokens=TOKENS)
        for prompt in probe.prompts().values()
    ]
    whole = [run for run in read if len(run.tokens) == TOKENS]
    rogue = exclusions.rogue_coordinates(whole)
    return tuple(exclusions.stating(run, rogue) for run in whole)


def of_texts(
    random: np.random.Generator, shape: Shape, model: str, change: Callable[[Trajectory], Trajectory]
) -> Clouds:
    """As many of the texts as the group has runs, each changed; tokens and depths are those of the readings.

    Raises ValueError where there are not as many texts.
    """
    read = readings(model)
    if shape.runs > len(read):
        raise ValueError(
            f"{model} reads {len(read)} texts of {TOKENS} tokens, fewer than {shape.runs}: ask for fewer runs"
        )
    chosen = [read[place] for place in random.choice(len(read), shape.runs, replace=False)]
    left_out = [np.flatnonzero(run.special).tolist() + list(run.provenance["sinks"]) for run in chosen]
    return Clouds(
        np.stack([change(run).points for run in chosen]),
        chosen[0].depth,
        np.full(shape.runs, random.uniform(2, 8)),
        facts={
            name: chosen[0].provenance[name]
            for name in ("model", "family", "scheme", "causal", "frame", "rogue")
        },
        own=tuple(
            {"token_ids": run.provenance["token_ids"], "sinks": places, "prompt": run.provenance["prompt"]}
            for run, places in zip(chosen, left_out)
        ),
        dtype="float64",
    )


def clustered(
    random: np.random.Generator,
    shape: Shape,
    model: str,
    course: Course,
    groups: tuple[int, ...],
    share: tuple[float, float],
) -> Clouds:
    """Clusters of a number and share of the variance that the group has in common, others in each run."""
    number, size = one_of(random, groups), random.uniform(*share)

    def change(run: Trajectory) -> Trajectory:
        places = course.places(len(run.points))
        return planted(run, number, size, **places, seed=int(random.integers(2**31)))

    return of_texts(random, shape, model, change)


def mixed(random: np.random.Generator, shape: Shape, model: str) -> Clouds:
    """The kept tokens of each text turned into random mixtures of each other, the same at all depths.

    That keeps their mean and, up to the projection to the sphere, all covariances, within and between depths. It is
    what the null of H1 and H2 does, so that only P20, which has no such null, is on trial with it.
    """

    def change(run: Trajectory) -> Trajectory:
        kept = exclusions.exclude(run).kept
        cloud = run.points[:, kept]
        mean = cloud.mean(axis=1, keepdims=True)
        basis = helmert(cloud.shape[1])
        turn = basis.T @ ortho_group.rvs(len(basis), random_state=random) @ basis
        points = run.points.copy()
        points[:, kept] = normalise(mean + turn @ (cloud - mean))
        return replace(run, points=points, attention=None)

    return of_texts(random, shape, model, change)


def _kinds(model: str) -> tuple[Generator, ...]:
    def kind(name: str, meaning: str, truth: dict[str, Truth], draw: Callable[..., Clouds]) -> Generator:
        return Generator(
            f"{model.split('-')[0]}_{name}",
            f"{meaning} in texts of {model}",
            truth,
            partial(draw, model=model),
        )

    hold = partial(clustered, course=HOLD, groups=(5,), share=(0.65, 0.9))
    stage = partial(clustered, course=STAGE, groups=(5,), share=(0.65, 0.9))
    loose = partial(clustered, course=HOLD, groups=(3, 4, 5), share=(0.3, 0.5))
    return (
        kind("tight", "5 clusters of 65 to 90 % of the variance", {"H1": True, "P20": True}, hold),
        kind("stage", "5 clusters of 65 to 90 % that come and go", {"H2": True}, stage),
        kind("loose", "3 to 5 clusters of 30 to 50 %", {"P20": True}, loose),
        kind("mixed", "random mixtures of the tokens", {"P20": False}, mixed),
    )


PLANTED = tuple(generator for model in MODELS for generator in _kinds(model))
