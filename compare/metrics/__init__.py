"""Measurements of a trajectory, by preset."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import xarray as xr
from threadpoolctl import threadpool_limits

from compare.metrics.published import published as _published
from sim.trajectory import Trajectory

PRESETS: Mapping[str, Callable[[Trajectory], xr.Dataset]] = MappingProxyType({"published": _published})


def measure(trajectory: Trajectory, preset: str = "published") -> xr.Dataset:
    """Measure a trajectory, of a simulation or of a model, by one set of definitions.

    The preset ``"published"`` holds Groups A to D of the post, exactly as published: no null, no correction, no token
    left out, all tokens of equal weight whatever their masses. Its known traps are in `compare.criteria`.

    Arguments
    ---------
    trajectory: unit points over depth; ``norms`` give the raw vectors for the effective rank, ``attention``, where
        present, Group C, which is otherwise missing from the result.
    preset: name of the definitions.

    Returns
    -------
    A data set with dimensions ``depth``, ``token``, ``head``, ``beta`` (0.1, 1, 2, 5), ``cosine`` (50 bin centres),
    ``height`` (12 cut heights), ``signal`` (searched for plateaus) and a few small ones. Each variable has the
    attributes ``long_name``, ``units``, ``source`` and ``definition``, which says what NaN means. What compares two
    depths stands at the later one. The data set's attributes hold the preset, the axis and the provenance as JSON.

    Small and collapsed input: a single token has NaN cosines, no cluster and one noise token; with fewer than 3 tokens
    the eigengap count is 1, with fewer than 4 so is the KMeans count, which tries only k < n. Where all points coincide
    exactly HDBSCAN calls everything noise; where they coincide up to rounding, HDBSCAN, KMeans and nearest neighbours
    sort rounding errors, as the published definitions do not guard against it.

    Raises
    ------
    ValueError: a preset that does not exist.

    Cost: per depth one SVD, 24 KMeans runs and O(token^3); per depth and head one eigenvalue problem. About 0.2 s for a
    depth of 150 tokens with 12 heads. Runs on one thread, whatever the BLAS settings, which are restored after it: the
    problems are small, and threads that wait for each other on a busy machine take 30 times as long.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(map(repr, PRESETS))}, got {preset!r}")
    with threadpool_limits(limits=1):
        return PRESETS[preset](trajectory)
