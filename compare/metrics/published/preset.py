"""The preset "published": Groups A to D of the post, by its own definitions, traps included."""

import json
from collections.abc import Iterator

import numpy as np
import xarray as xr

from compare.metrics.published import (
    attention,
    clusters,
    cosines,
    energy,
    neighbours,
    persistence,
    spectra,
    tracks,
)
from compare.metrics.variable import labelled
from sim.trajectory import Trajectory

MOST_ENTRIES = 2**23


def published(trajectory: Trajectory) -> xr.Dataset:
    """Groups A to D of the post on one trajectory; `compare.measure` describes the result."""
    measured = _at_each_depth(trajectory)
    rank = measured["effective_rank"]
    heads = np.full((len(rank), 1), np.nan)
    if trajectory.attention is not None:
        measured |= attention.attention_clusters(trajectory.attention)
        measured |= attention.head_classes(measured["sinkhorn_fiedler"], rank)
        heads = measured["sinkhorn_clusters"]
    measured |= clusters.range_over_orders(trajectory.points, measured["hdbscan_package_clusters"])
    measured["methods_agree"] = clusters.methods_agree(
        measured["agglomerative_clusters"],
        measured["spectral_clusters"],
        measured["kmeans_clusters"],
        measured["kmeans_silhouette"],
        rank,
        heads.mean(axis=1),
    )
    measured |= persistence.transitions(trajectory.points, measured, trajectory.depth)
    measured |= tracks.cluster_tracks(measured["hdbscan_labels"])
    measured |= energy.energy_steps(trajectory.points, measured["energy"], rank)
    modules = (cosines, clusters, spectra, neighbours, persistence, tracks, attention, energy)
    table = {name: variable for module in modules for name, variable in module.VARIABLES.items()}
    return xr.Dataset(
        labelled(table, measured),
        coords={
            "depth": ("depth", trajectory.depth, {"axis": trajectory.axis}),
            "cosine": (cosines.BINS[:-1] + cosines.BINS[1:]) / 2,
            "height": clusters.HEIGHTS,
            "beta": energy.BETAS,
            "signal": list(persistence.plateau_signals(measured)),
            "token_name": ("token", np.asarray(trajectory.tokens, dtype=object)),
            "special": ("token", trajectory.special),
        },
        attrs={
            "preset": "published",
            "dim": trajectory.points.shape[2],
            "axis": trajectory.axis,
            "provenance": json.dumps(trajectory.provenance, sort_keys=True),
        },
    )


def _at_each_depth(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """What needs the points of one depth only, a block of depths at a time so that memory stays bounded."""
    pieces = [_block(trajectory, block) for block in _blocks(*trajectory.points.shape)]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _block(trajectory: Trajectory, block: slice) -> dict[str, np.ndarray]:
    points = trajectory.points[block]
    gram = cosines.gram(points)
    found = clusters.cluster_counts(points, gram) | spectra.spectra(points, gram)
    return {
        **cosines.cosine_statistics(gram),
        **cosines.effective_ranks(points * trajectory.norms[block, :, None]),
        **found,
        **neighbours.neighbour_structures(
            gram, found["hdbscan_labels"], found["spectral_clusters"], trajectory.tokens
        ),
        "energy": energy.interaction_energy(gram),
    }


def _blocks(depths: int, tokens: int, dim: int) -> Iterator[slice]:
    step = max(1, MOST_ENTRIES // (tokens * max(tokens, dim)))
    return (slice(start, start + step) for start in range(0, depths, step))
