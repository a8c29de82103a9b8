"""Cluster lives of a trajectory beside those of its null draws, and the plateaus of both."""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from compare.metrics.calibrated import cluster_life as life
from compare.metrics.calibrated import plateaus
from compare.metrics.calibrated.cluster_life import Growth, Life, Mergers, Rule
from compare.metrics.calibrated.plateaus import PlateauRule, Plateaus


class Linked(NamedTuple):
    """Single linkage of a batch of clouds, and the components along it for each of the shares `components`."""

    mergers: Mergers
    growth: Growth
    components: tuple[float, ...]


class Lives(NamedTuple):
    """Cluster lives of the data, over depth, and of the draws, over draw and depth."""

    own: Life
    null: Life

    @property
    def excess(self) -> Float[np.ndarray, " depth"]:
        """W less the mean of the null."""
        return self.own.life - self.null.life.mean(axis=0)


def linked(
    blocks: Iterable[Float[np.ndarray, "*batch token dim"]], rules: Iterable[Rule]
) -> dict[int, Linked]:
    """Link the clouds of all blocks, once for each number of neighbours that one of the rules asks for.

    Arguments: blocks of clouds of one size; rules, whose `neighbour` and `component` are prepared.
    """
    rules = tuple(rules)
    components = tuple(dict.fromkeys(rule.component for rule in rules))
    found: dict[int, list[Mergers]] = {rule.neighbour: [] for rule in rules}
    for points in blocks:
        squared = life.squared_chords(points)
        squared = squared.reshape(-1, *squared.shape[-2:])
        core = life.core_squares(squared)
        for neighbour, several in found.items():
            several.append(life.mergers(squared, core[neighbour - 1]))
    result = {}
    for neighbour, several in found.items():
        joined = Mergers(*(np.concatenate(parts) for parts in zip(*several)))
        tokens = joined.order.shape[1]
        least = np.array([life.least_size(tokens, Rule(component=share)) for share in components])
        result[neighbour] = Linked(joined, life.growth(joined.radius, least), components)
    return result


def lives(own: Linked, null: Linked, rule: Rule) -> Lives:
    """Cluster lives of data and draws under one rule.

    Arguments: own, null, of `linked` at the rule's number of neighbours; the clouds of `null` are the draws one after
    the other, each with all depths.
    """
    data, drawn = (
        life.cluster_life(side.growth, side.components.index(rule.component), rule) for side in (own, null)
    )
    return Lives(data, Life(*(part.reshape(-1, len(data.life)) for part in drawn)))


def stays(
    own: Linked, null: Linked, found: Lives, rule: PlateauRule
) -> tuple[Plateaus, Float[np.ndarray, " draw"]]:
    """The plateaus of the data, and the share D of depth that the longest plateau of each draw fills.

    Arguments: own, null, those of `linked` at the neighbour number of the rule behind `found`; found, of `lives`.
    """
    draws, depths = found.null.life.shape
    mean, deviation = found.null.life.mean(axis=0), found.null.life.std(axis=0)
    least = mean + np.maximum(rule.least, rule.deviations * deviation)
    longest = _plateaus(own.mergers, found.own, found.own.life >= least, rule)
    shares = np.zeros(draws)
    on = found.null.life >= least
    for draw in np.flatnonzero(_some_run(on, rule.depths)):
        mergers = Mergers(*(part[draw * depths : (draw + 1) * depths] for part in null.mergers))
        drawn = _plateaus(mergers, Life(*(part[draw] for part in found.null)), on[draw], rule)
        shares[draw] = plateaus.share(drawn, depths)
    return longest, shares


def _plateaus(mergers: Mergers, found: Life, on: Bool[np.ndarray, " depth"], rule: PlateauRule) -> Plateaus:
    @cache
    def labels(depth: int) -> Int[np.ndarray, " token"]:
        return life.components(Mergers(mergers.order[depth], mergers.radius[depth]), found.cut[depth])

    def agreement(one: int, other: int) -> float:
        return plateaus.adjusted_rand(labels(one), labels(other))

    return plateaus.plateaus(on, agreement, found.onset, rule)


def _some_run(on: Bool[np.ndarray, "draw depth"], depths: int) -> Bool[np.ndarray, " draw"]:
    """Which rows have that many depths on in a row."""
    if on.shape[1] < depths:
        return np.zeros(len(on), bool)
    runs = sliding_window_view(on, depths, axis=1)
    return np.any(np.all(runs, axis=2), axis=1)
