"""Gaussian clouds projected to the sphere: the one whose moments are then those of the data."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

AXES = 12
SAMPLES = 1024
STEPS = 6
MOST_CHANGE = 2.0


class Principal(NamedTuple):
    """A trajectory in the principal axes of each depth: `centred` (depth, token, axis) without, `means` the mean.

    The last entry of `means` is the length of that part of the mean that no axis reaches.
    """

    centred: Float[np.ndarray, "depth token axis"]
    means: Float[np.ndarray, "depth mean_axis"]


def principal(points: Float[np.ndarray, "depth token dim"]) -> Principal:
    """Principal coordinates of each depth, largest variance first; at most as many axes as tokens."""
    mean = points.mean(axis=1)
    left, lengths, right = np.linalg.svd(points - mean[:, None], full_matrices=False)
    along = np.einsum("lkd,ld->lk", right, mean)
    beyond = np.sqrt(np.maximum(np.sum(mean**2, axis=1) - np.sum(along**2, axis=1), 0))
    return Principal(left * lengths[:, None], np.concatenate([along, beyond[:, None]], axis=1))


def matched(axes: Principal, seed: int, samples: int = SAMPLES) -> Principal:
    """Rescale axes and mean such that rotated and projected tokens have the mean and variances of the data.

    A rotated token is q C with q uniform on a sphere, so the moments after projection are means over samples of q. Six
    fixed-point steps; the first 12 axes each have a factor and a mean of their own, the rest share one factor for
    the spread and one for the mean. Data that fill the sphere more evenly than any projected cloud are met as nearly
    as the steps allow, each of which changes a factor at most twofold.

    Arguments: axes, as of `principal`; seed, of the 2 x `samples` antithetic samples.
    """
    depths, tokens, count = axes.centred.shape
    spread = np.linalg.norm(axes.centred, axis=1)
    variance = spread**2 / tokens
    top = min(AXES, count)
    turns = _turns(tokens, count, seed, samples)
    first = turns[:, :top] * spread[:, None, :top]
    rest_squares = turns[:, top:] ** 2 @ (spread[:, top:] ** 2).T
    rest_along = turns[:, top:] @ (spread[:, top:] * axes.means[:, top:-1]).T
    rest_mean = np.sum(axes.means[:, top:] ** 2, axis=1)
    rest_variance = np.sum(variance[:, top:], axis=1)
    scale, centre = np.ones((depths, top)), axes.means[:, :top].copy()
    rest_scale, rest_centre = np.ones(depths), np.ones(depths)
    for _ in range(STEPS):
        leading = centre[:, None] + scale[:, None] * first
        others = (
            rest_scale**2 * rest_squares
            + 2 * rest_scale * rest_centre * rest_along
            + rest_centre**2 * rest_mean
        )
        inverse = 1 / np.sqrt(np.sum(leading**2, axis=2) + others.T)
        leading *= inverse[..., None]
        mean = leading.mean(axis=1)
        along = np.mean((rest_centre * rest_mean + rest_scale * rest_along).T * inverse, axis=1)
        beside = np.mean(others.T * inverse**2, axis=1) - _ratio(along**2, rest_mean, 0.0)
        centre += axes.means[:, :top] - mean
        scale *= _factor(variance[:, :top], leading.var(axis=1))
        rest_scale *= _factor(rest_variance, beside)
        rest_centre *= np.clip(_ratio(rest_mean, along, 1.0), 1 / MOST_CHANGE, MOST_CHANGE)
    scales = np.concatenate([scale, np.repeat(rest_scale[:, None], count - top, axis=1)], axis=1)
    means = np.concatenate([centre, rest_centre[:, None] * axes.means[:, top:]], axis=1)
    return Principal(axes.centred * scales[:, None], means)


def _turns(tokens: int, axes: int, seed: int, samples: int) -> Float[np.ndarray, "sample axis"]:
    """Entries of one row of a Haar rotation that keeps the all-ones vector, and their opposites."""
    random = np.random.default_rng((seed, 1))
    gaussian = random.standard_normal((samples, min(axes, tokens - 1)))
    squares = np.sum(gaussian**2, axis=1) + random.chisquare(np.full(samples, max(tokens - 1 - axes, 1e-9)))
    rows = gaussian * np.sqrt((tokens - 1) / tokens / squares)[:, None]
    rows /= np.sqrt(tokens * np.mean(rows**2, axis=0))
    rows = np.pad(rows, ((0, 0), (0, axes - rows.shape[1])))
    return np.concatenate([rows, -rows])


def _ratio(over: np.ndarray, under: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(over, under, out=np.full_like(over, otherwise), where=under > 1e-12)


def _factor(wanted: np.ndarray, have: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(_ratio(wanted, have, 1.0), 1 / MOST_CHANGE**2, MOST_CHANGE**2))
