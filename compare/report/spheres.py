"""Tokens on the sphere, as inline SVG: each dot carries its token's name, shown on hover."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim import Trajectory
from sim.sphere import normalise


@dataclass(frozen=True)
class Dot:
    """One token as drawn: place on a disc of radius 1, whether it faces the reader, colour angle, name."""

    x: float
    y: float
    front: bool
    hue: int
    name: str
    special: bool


@dataclass(frozen=True)
class Sphere:
    """One depth: its label and its dots, those behind first."""

    label: str
    dots: tuple[Dot, ...]


def principal_axes(points: Float[np.ndarray, "depth token d"]) -> tuple[Float[np.ndarray, "d 3"], float]:
    """The three axes that carry most of the squared length of all points at all depths, and the share they carry.

    On the circle a third axis of zeros is added, on S^2 nothing is lost and the share is 1.
    """
    rows = points.reshape(-1, points.shape[-1])
    values, vectors = np.linalg.eigh(rows.T @ rows)
    axes = vectors[:, ::-1][:, :3]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    share = float(values[::-1][:3].sum() / values.sum())
    return np.pad(axes, ((0, 0), (0, 3 - axes.shape[1]))), share


def spheres(trajectory: Trajectory, count: int = 4) -> tuple[tuple[Sphere, ...], float]:
    """Pictures of `count` depths, evenly spaced from first to last, seen along one common direction.

    Points are projected on the principal axes of the whole run, then to the unit sphere in these three dimensions,
    seen orthographically with the leading axis up. A token keeps its colour, which is its angle at the last depth,
    so that tokens that end together share a colour.

    Returns the pictures and the share of squared length that the three axes carry: small shares mean that distances
    on the picture are not those on S^(d-1).
    """
    axes, share = principal_axes(trajectory.points)
    projected = trajectory.points @ axes
    lengths = np.linalg.norm(projected, axis=-1, keepdims=True)
    projected = np.where(lengths > 1e-9, normalise(np.where(lengths > 1e-9, projected, 1.0)), 0.0)
    final = projected[-1]
    hues = np.degrees(np.arctan2(final[:, 2], final[:, 1])) % 360
    chosen = np.unique(np.linspace(0, len(projected) - 1, count).round().astype(int))
    pictures = []
    for index in chosen:
        dots = [
            Dot(
                x=round(float(side), 4),
                y=round(float(-up), 4),
                front=bool(towards >= 0),
                hue=round(float(hue)),
                name=name,
                special=bool(special),
            )
            for (up, side, towards), hue, name, special in zip(
                projected[index], hues, trajectory.tokens, trajectory.special
            )
        ]
        depth = trajectory.depth[index]
        label = f"layer {depth:.0f}" if trajectory.axis == "layer" else f"t = {depth:.3g}"
        pictures.append(Sphere(label, tuple(sorted(dots, key=lambda dot: dot.front))))
    return tuple(pictures), share
