"""Cluster lives of a trajectory beside those of its null draws, and the plateaus of both."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view

from compare.metrics.calibrated import cluster_life as life
from compare.metrics.calibrated import plateaus
from compare.metrics.calibrated.closeness import best_stretch
from compare.metrics.calibrated.cluster_life import Growth, Life, Mergers, Rule
from compare.metrics.calibrated.plateaus import Agreement, Course, PlateauRule, Plateaus

LEAST_SPREAD = 1e-12
FLOOR = Rule().floor


class Linked(NamedTuple):
    """Single linkage of a batch of clouds, and the components along it for each of the shares `components`.

    spread: log of the root mean square distance of the points of a cloud from their mean. nearest: mean over its tokens
    of the log of the chord to the nearest other one.
    """

    mergers: Mergers
    growth: Growth
    components: tuple[float, ...]
    spread: Float[np.ndarray, " batch"]
    nearest: Float[np.ndarray, " batch"]

    @property
    def closeness(self) -> Float[np.ndarray, " batch"]:
        """Mean over tokens of log(s / r), s the spread and r the chord to the nearest other token, at least `FLOOR`."""
        return np.maximum(self.spread, np.log(FLOOR)) - self.nearest


class Lives(NamedTuple):
    """Cluster lives of the data, over depth, and of the draws, over draw and depth."""

    own: Life
    null: Life

    @property
    def excess(self) -> Float[np.ndarray, " depth"]:
        """W less the mean of the null."""
        return self.own.life - self.null.life.mean(axis=0)

    def best_stretch(self, depths: int) -> float:
        """Largest mean excess over so many depths in a row, less the mean of what the draws reach in the same way."""
        return best_stretch(self.own.life, self.null.life, depths)


def linked(
    blocks: Iterable[Float[np.ndarray, "*batch token dim"]], rules: Iterable[Rule]
) -> dict[int, Linked]:
    """Link the clouds of all blocks, once for each number of neighbours that one of the rules asks for.

    Arguments: blocks of clouds of one size; rules, whose `neighbour` and `component` are prepared.
    """
    rules = tuple(rules)
    components = tuple(dict.fromkeys(rule.component for rule in rules))
    found: dict[int, list[Mergers]] = {rule.neighbour: [] for rule in rules}
    spreads, nearest = [], []
    for points in blocks:
        squared = life.squared_chords(points)
        squared = squared.reshape(-1, *squared.shape[-2:])
        spreads.append(np.sqrt(squared.mean(axis=(1, 2), dtype=np.float64) / 2))
        core = life.core_squares(squared)
        chords = np.sqrt(core[0], dtype=np.float64)
        nearest.append(np.log(np.maximum(chords, FLOOR)).mean(axis=1))
        for neighbour, several in found.items():
            several.append(life.mergers(squared, core[neighbour - 1]))
    spread = np.log(np.maximum(np.concatenate(spreads), LEAST_SPREAD))
    near = np.concatenate(nearest)
    result = {}
    for neighbour, several in found.items():
        joined = Mergers(*(np.concatenate(parts) for parts in zip(*several)))
        tokens = joined.order.shape[1]
        least = np.array([life.least_size(tokens, Rule(component=share)) for share in components])
        result[neighbour] = Linked(joined, life.growth(joined.radius, least), components, spread, near)
    return result


def lives(side: Linked, rule: Rule) -> Life:
    """Cluster lives under one rule of clouds that were linked at its number of neighbours."""
    return life.cluster_life(side.growth, side.components.index(rule.component), rule)


def null_lives(side: Linked, rule: Rule, draws: int) -> Life:
    """The same over draw and depth, of the clouds of draws one after the other, each with all depths."""
    return Life(*(part.reshape(draws, -1, *part.shape[1:]) for part in lives(side, rule)))


def stays(side: Linked, found: Life, null: Life, rule: PlateauRule, axis: str) -> Plateaus:
    """The plateaus of a run, whose cluster lives stand out from those of the draws of `null`.

    Arguments: side, of `linked` at the neighbour number of the rule behind `found` and `null`, of `lives`; axis, "time"
    or "layer".
    """
    mean, least = null.life.mean(axis=0), _least(null, rule)
    course = Course(found.life >= least, found.life - mean, found.onset, side.spread, axis)
    return plateaus.plateaus(course, _agreement(side.mergers, found, rule.rival), rule)


def null_shares(side: Linked, null: Life, rule: PlateauRule, axis: str) -> Float[np.ndarray, " draw"]:
    """The share D of depth that the longest plateau of each draw fills.

    Arguments: side, the clouds of the draws one after the other, each with all depths; else as in `stays`.
    """
    draws, depths = null.life.shape
    shares = np.zeros(draws)
    for draw in np.flatnonzero(_some_run(null.life >= _least(null, rule), rule.depths)):
        here = slice(draw * depths, (draw + 1) * depths)
        mergers = Mergers(*(part[here] for part in side.mergers))
        drawn = side._replace(mergers=mergers, spread=side.spread[here])
        found = stays(drawn, Life(*(part[draw] for part in null)), null, rule, axis)
        shares[draw] = plateaus.share(found, depths)
    return shares


def _least(null: Life, rule: PlateauRule) -> Float[np.ndarray, " depth"]:
    """The cluster life from which on a depth has clusters."""
    mean, deviation = null.life.mean(axis=0), null.life.std(axis=0)
    return mean + np.maximum(rule.least, rule.deviations * deviation)


def _agreement(mergers: Mergers, found: Life, rival: float) -> Agreement:
    """The adjusted Rand index of two depths: the largest over the partitions that stand for each of them."""

    @cache
    def rivals(depth: int) -> Float[np.ndarray, "rival pair"]:
        here = Mergers(mergers.order[depth], mergers.radius[depth])
        lives = found.lives[depth]
        cuts = np.flatnonzero(lives >= rival * lives.max())
        return plateaus.together(np.stack([life.components(here, cut) for cut in cuts]))

    @cache
    def agreement(one: int, other: int) -> float:
        return float(plateaus.adjusted_rand(rivals(one), rivals(other)).max())

    return agreement


def _some_run(on: Bool[np.ndarray, "draw depth"], depths: int) -> Bool[np.ndarray, " draw"]:
    """Which rows have that many depths on in a row."""
    if on.shape[1] < depths:
        return np.zeros(len(on), bool)
    runs = sliding_window_view(on, depths, axis=1)
    return np.any(np.all(runs, axis=2), axis=1)
