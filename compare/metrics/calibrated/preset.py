"""The preset "calibrated": what the judge stands on, each quantity beside its null."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from compare.metrics import exclusions
from compare.metrics.calibrated import attention, closeness, cluster_life, energy, gate, plateaus
from compare.metrics.calibrated.held_out import CLUSTERS, held_out_of_run, read_depths
from compare.metrics.calibrated.held_out import VARIABLES as HELD_OUT
from compare.metrics.calibrated.lives import Linked, Lives, linked, lives, null_lives, null_shares, stays
from compare.metrics.calibrated.thresholds import BASE, VARIANTS, Thresholds
from compare.metrics.exclusions import Exclusions
from compare.metrics.nulls.projection import SAMPLES
from compare.metrics.nulls.rotation import rotated, rotations
from compare.metrics.variable import Variable, labelled
from probe.temperature import temperature
from sim.trajectory import Trajectory

LEAST_TOKENS = 6

VARIABLES = {
    "mean_length": Variable(
        ("depth",),
        "length of the mean",
        "1",
        "calibrated",
        "length of the mean of the kept points: 1 where they coincide. Collapse and a growing common mean look alike",
    ),
    "mean_cosine": Variable(
        ("depth",),
        "mean cosine",
        "1",
        "calibrated",
        "mean of <x_i, x_j> over pairs i < j of kept points; NaN for one",
    ),
}


class Null(NamedTuple):
    """What the null draws of a run have.

    links: of the clouds of all draws, by number of neighbours. lives: over draw and depth, by rule. shares: of the
    depth that the longest plateau of each draw fills, by variant.
    """

    links: Mapping[int, Linked]
    lives: Mapping[cluster_life.Rule, cluster_life.Life]
    shares: Mapping[str, Float[np.ndarray, " draw"]]


def calibrated(
    trajectory: Trajectory,
    draws: int,
    seed: int,
    variants: Mapping[str, Thresholds] = VARIANTS,
    plantings: int = attention.PLANTINGS,
) -> xr.Dataset:
    """The calibrated measurements of one trajectory; `compare.measure` describes the result.

    variants: thresholds under which effects are measured, ``"base"`` first; the rest of the result is that of the base.
    """
    made = exclusions.exclude(trajectory)
    points = exclusions.apply(trajectory, made)
    beta, source = own_beta(trajectory, made)
    measured = clusters(points, draws, seed, variants, trajectory.axis) | _means(points)
    measured |= gate.gate(points, seed)._asdict()
    measured |= _energy(trajectory, made, points, beta, seed)
    measured |= zip(HELD_OUT, held_out_of_run(points, seed))
    labels = np.full((len(points), len(made.kept)), -2)
    labels[:, made.kept] = measured["cluster_label"]
    measured["cluster_label"] = labels
    sizes: dict[str, list[float]] = {}
    if trajectory.attention is not None:
        causal = bool(trajectory.provenance.get("causal", False))
        local = trajectory.axis == "layer"
        followed = attention.attention_follow(
            trajectory.attention, labels, causal, local, draws, seed, plantings
        )
        measured |= dict(zip(attention.VARIABLES, followed))
        sizes["planted_share"] = list(attention.PLANTED)
    modules = (cluster_life, closeness, plateaus, gate, energy, attention)
    table = VARIABLES | HELD_OUT | {name: row for module in modules for name, row in module.VARIABLES.items()}
    return xr.Dataset(
        labelled(table, measured),
        coords={
            "depth": ("depth", trajectory.depth, {"axis": trajectory.axis}),
            "kept": ("token", made.kept),
            "token_name": ("token", np.asarray(trajectory.tokens, dtype=object)),
            "variant": list(variants),
            "held_out_depth": trajectory.depth[list(read_depths(len(points)))],
            "clusters": list(CLUSTERS),
            **sizes,
        },
        attrs={
            "preset": "calibrated",
            "axis": trajectory.axis,
            "provenance": json.dumps(trajectory.provenance, sort_keys=True),
            "treatment": json.dumps(exclusions.record(made), sort_keys=True),
            "thresholds": json.dumps(BASE.cluster._asdict() | BASE.plateau._asdict(), sort_keys=True),
            "draws": draws,
            "seed": seed,
            "beta": beta,
            "beta_source": source,
        },
    )


def own_beta(trajectory: Trajectory, made: Exclusions) -> tuple[float, str]:
    """The beta of a trajectory, and whence it comes: "provenance", "attention", or "" with NaN where it is unknown.

    Of a simulation ``provenance["beta"]``; else the median over all heads and layers, each of equal weight, of the
    ``beta`` of `probe.temperature.temperature`, which credits cosines with nothing that places explain, with the kept
    tokens as queries and, as everywhere in this preset, without rogue coordinates: the beta belongs to the sphere on
    which the energy is taken. A median that is not above 0 is no inverse temperature, and counts as unknown.
    """
    known = trajectory.provenance.get("beta")
    if known is not None:
        return float(known), "provenance"
    if trajectory.attention is None or made.kept.sum() < 2:
        return np.nan, ""
    everyone = made._replace(kept=np.ones_like(made.kept))
    sphere = replace(trajectory, points=exclusions.apply(trajectory, everyone))
    beta = float(np.median(temperature(sphere, made.kept)["beta"].values))
    return (beta, "attention") if 0 < beta < np.inf else (np.nan, "")


def clusters(
    points: Float[np.ndarray, "depth token dim"],
    draws: int,
    seed: int,
    variants: Mapping[str, Thresholds],
    axis: str,
    null: Null | None = None,
) -> dict[str, Any]:
    """Cluster lives, labels and plateaus, under the thresholds as they are and under each changed one.

    Arguments: unit points; null draws and their seed; variants, ``"base"`` first; axis, "time" or "layer"; null, of
    `null_of`, where it is that of other points of as many tokens and depths.
    Returns values by name, over the kept tokens alone. Cost: nearly all of that of `calibrated`.
    """
    depths, tokens, _ = points.shape
    if tokens < LEAST_TOKENS:
        return _nothing(depths, tokens, draws, len(variants))
    rules = [rule for rule, _ in variants.values()]
    own = linked([points], rules)
    null = null_of(points, draws, seed, variants, axis) if null is None else null
    known = {rule: Lives(lives(own[rule.neighbour], rule), null.lives[rule]) for rule in dict.fromkeys(rules)}
    held = {
        name: (
            stays(own[rule.neighbour], *known[rule], plateau_rule, axis),
            null.shares[name],
        )
        for name, (rule, plateau_rule) in variants.items()
    }
    base, (stay, shares_of_null) = known[BASE.cluster], held["base"]
    excesses = np.array([known[rule].excess for rule in rules])
    third = int(np.ceil(depths / 3))
    late = excesses[:, -third:].mean(axis=1)
    return {
        "cluster_life": base.own.life,
        "cluster_life_null": base.null.life,
        "cluster_life_excess": base.excess,
        **_labels(own[BASE.cluster.neighbour], base.own.cut, tokens),
        "plateau_share": plateaus.share(stay, depths),
        **{f"plateau_{end}": value for end, value in zip(("start", "end"), stay)},
        "first_plateau_start": stay.first_start,
        "first_plateau_end": stay.first_end,
        "plateau_share_null": shares_of_null,
        "late_excess": late,
        "gain": late - excesses[:, 0],
        **_close(own[BASE.cluster.neighbour], null.links[BASE.cluster.neighbour])._asdict(),
        "stage_excess": [known[rule].best_stretch(third) for rule in rules],
        "plateau_share_effect": [
            plateaus.share(own, depths) - shares.mean() for own, shares in held.values()
        ],
    }


def _close(own: Linked, null: Linked) -> closeness.Closeness:
    """Of the data, and of the draws, whose clouds stand one draw after the other."""
    return closeness.closeness(own.closeness, null.closeness.reshape(-1, len(own.closeness)))


def null_of(
    points: Float[np.ndarray, "depth token dim"],
    draws: int,
    seed: int,
    variants: Mapping[str, Thresholds],
    axis: str,
    samples: int = SAMPLES,
) -> Null:
    """The common token rotations of these points; samples, of the correction (`rotations`)."""
    rules = tuple(dict.fromkeys(rule for rule, _ in variants.values()))
    links = linked(rotated(rotations(points, seed, samples=samples), draws, seed), rules)
    found = {rule: null_lives(links[rule.neighbour], rule, draws) for rule in rules}
    shares = {
        name: null_shares(links[rule.neighbour], found[rule], plateau_rule, axis)
        for name, (rule, plateau_rule) in variants.items()
    }
    return Null(links, found, shares)


def _labels(side: Linked, cut: Int[np.ndarray, " depth"], tokens: int) -> Mapping[str, np.ndarray]:
    labels = np.full((len(cut), tokens), -1)
    number = np.zeros(len(cut), int)
    least = cluster_life.least_size(tokens, BASE.cluster)
    for depth in np.flatnonzero(cut >= 0):
        mergers = cluster_life.Mergers(side.mergers.order[depth], side.mergers.radius[depth])
        found = cluster_life.components(mergers, cut[depth])
        names, first, place, size = np.unique(
            found, return_index=True, return_inverse=True, return_counts=True
        )
        counts = np.flatnonzero(size >= least)
        renamed = np.full(len(names), -1)
        renamed[counts[np.argsort(first[counts])]] = np.arange(len(counts))
        labels[depth], number[depth] = renamed[place], len(counts)
    return {"cluster_label": labels, "cluster_number": number}


def _nothing(depths: int, tokens: int, draws: int, variants: int) -> dict[str, Any]:
    """What too few tokens for two clusters have: no life, no label, no plateau."""
    names = ("late_excess", "gain", "stage_excess", "plateau_share_effect")
    return {
        "cluster_life": np.zeros(depths),
        "cluster_life_null": np.zeros((draws, depths)),
        "cluster_life_excess": np.zeros(depths),
        "cluster_label": np.full((depths, tokens), -1),
        "cluster_number": np.zeros(depths, int),
        "plateau_share": 0.0,
        "plateau_start": -1,
        "plateau_end": -1,
        "first_plateau_start": -1,
        "first_plateau_end": -1,
        "plateau_share_null": np.zeros(draws),
        **{name: np.zeros(variants) for name in names},
        **closeness.nothing(depths),
    }


def _means(points: Float[np.ndarray, "depth token dim"]) -> dict[str, np.ndarray]:
    tokens = points.shape[1]
    squares = np.sum(points.sum(axis=1) ** 2, axis=1)
    pairs = tokens * (tokens - 1)
    unknown = np.full(len(points), np.nan)
    return {
        "mean_length": np.sqrt(squares) / tokens,
        "mean_cosine": (squares - np.sum(points**2, axis=(1, 2))) / pairs if pairs else unknown,
    }


def _energy(
    trajectory: Trajectory,
    made: Exclusions,
    points: Float[np.ndarray, "depth token dim"],
    beta: float,
    seed: int,
) -> dict[str, np.ndarray]:
    if np.isnan(beta):
        return {name: np.full(len(points), np.nan) for name in energy.VARIABLES}
    masses = trajectory.masses[made.kept]
    noise = energy.relative_noise(trajectory.provenance)
    return {
        "energy": energy.pair_energy(points, beta, masses),
        "energy_noise": energy.energy_noise(points, beta, masses, noise, seed),
    }
