"""Gaussian clouds, two statistics of them, and the ranks of data among draws of a null."""

import numpy as np
from scipy.stats import binom

from compare.metrics.calibrated import cluster_life
from tests.helpers.vectors import unit


def cloud(random, depths, tokens, dim, power):
    """Fresh Gaussian tokens with variance k^(-2 power) along axis k, on the sphere."""
    return unit(random.standard_normal((depths, tokens, dim)) * np.arange(1.0, dim + 1) ** -power)


def nearest(points):
    """Log of the median distance to the nearest neighbour, mean over depths, for each draw."""
    cosines = np.einsum("blik,bljk->blij", points, points, dtype=np.float64)
    squares = np.einsum("blii->bli", cosines)
    apart = squares[..., :, None] + squares[..., None, :] - 2 * cosines
    diagonal = np.arange(points.shape[2])
    apart[..., diagonal, diagonal] = np.inf
    return np.log(np.median(np.maximum(apart.min(axis=3), 1e-12), axis=2)).mean(axis=1) / 2


def life(points):
    """Cluster life, mean over depths, for each draw."""
    rule = cluster_life.Rule()
    squared = cluster_life.squared_chords(points.reshape(-1, *points.shape[2:]))
    found = cluster_life.mergers(squared, cluster_life.core_squares(squared)[rule.neighbour - 1])
    least = np.array([cluster_life.least_size(points.shape[2], rule)])
    lives = cluster_life.cluster_life(cluster_life.growth(found.radius, least), 0, rule).life
    return lives.reshape(points.shape[:2]).mean(axis=1)


def rank_p(own, drawn, random):
    """One-sided p, large where the data are; ties are broken evenly by a seeded coin."""
    ties = np.sum(drawn == own)
    return (1 + np.sum(drawn > own) + random.integers(0, ties + 1)) / (len(drawn) + 1)


def p_values(statistic, null, clouds, draws=19, **options):
    random = np.random.default_rng(0)
    result = []
    for seed, points in enumerate(clouds):
        drawn = np.stack(list(null(points, draws, seed, **options)))
        result.append(rank_p(statistic(points[None])[0], statistic(drawn), random))
    return np.array(result)


def most(trials, rate, level=1e-4):
    """The largest count that a true rate exceeds with probability `level` at most."""
    return binom.isf(level, trials, rate)
