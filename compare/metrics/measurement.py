"""Measurements of a trajectory, by preset."""

import warnings
from collections.abc import Callable, Mapping
from numbers import Integral
from types import MappingProxyType

import xarray as xr

from compare.metrics.calibrated.attention import PLANTINGS
from compare.metrics.calibrated.preset import calibrated as _calibrated
from compare.metrics.published.preset import published as _published
from compare.metrics.threads import one_thread
from sim.trajectory import Trajectory

PRESETS: Mapping[str, Callable[..., xr.Dataset]] = MappingProxyType(
    {"calibrated": _calibrated, "published": lambda trajectory, **random: _published(trajectory)}
)


def measure(
    trajectory: Trajectory,
    preset: str = "calibrated",
    *,
    draws: int = 99,
    seed: int = 0,
    plantings: int = PLANTINGS,
) -> xr.Dataset:
    """Measure a trajectory, of a simulation or of a model, by one set of definitions.

    The preset ``"calibrated"`` holds what `compare.judge` decides by, each quantity with the values that it takes in
    null draws: how long clusters live in scale, where a partition stays (plateaus), whether the order of the depths
    matters (gate), the energy at the run's own beta with its noise, and whether attention follows the clusters. Special
    tokens, sinks, repeated tokens and rogue coordinates are left out first (`compare.metrics.exclusions`), which the
    attribute
    ``treatment`` records; kept tokens count alike. Its variables over ``variant`` repeat the effects with one threshold
    changed at a time, ``"base"`` first.

    The preset ``"published"`` holds Groups A to D of the post, exactly as published: no null, no correction, no token
    left out, all tokens of equal weight whatever their masses. Its known traps are in `compare.published.criteria`.

    Arguments
    ---------
    trajectory: unit points over depth; ``norms`` give the raw vectors for the effective rank, ``attention``, where
        present, Group C and ``attention_follow``, which are otherwise missing from the result.
    preset: name of the definitions.
    draws: null draws, at least 2; of the calibrated preset alone. seed: of everything random in it.
    plantings: how often a preference for the own cluster is planted in attention, in each size, at least 1: what
        `compare.judge` may say of attention that follows no clusters rests on them. 100 give it the full limit.

    Returns
    -------
    A data set with the dimensions ``depth``, ``token`` and ``head``. Each variable has the attributes ``long_name``,
    ``units``, ``source`` and ``definition``, which says what NaN means. The data set's attributes hold the preset, the
    axis and the provenance as JSON.

    Calibrated: the dimensions ``draw`` and ``variant`` besides; the coordinate ``kept`` marks the tokens that count.
    The attributes ``treatment`` and ``thresholds`` are JSON; ``beta_source`` says whether ``beta`` comes from the
    ``"provenance"``, from the ``"attention"`` (`compare.metrics.calibrated.preset.own_beta`) or, ``""``, is unknown
    and NaN. Fewer than 6 kept tokens have no clusters; fewer than 3 depths, or 2 tokens, no gate. The same seed gives
    the same bytes on the same machine.

    Published: the dimensions ``beta`` (0.1, 1, 2, 5), ``cosine`` (50 bin centres), ``height`` (12 cut heights),
    ``signal`` (searched for plateaus) and a few small ones. What compares two depths stands at the later one. A single
    token has NaN cosines, no cluster and one noise token; with fewer than 3 tokens the eigengap count is 1, with fewer
    than 4 so is the KMeans count, which tries only k < n. Where all points coincide exactly HDBSCAN calls everything
    noise; where they coincide up to rounding, HDBSCAN, KMeans and nearest neighbours sort rounding errors, as the
    published definitions do not guard against it.

    Raises
    ------
    ValueError: a preset that does not exist, fewer than 2 draws, no planting.

    Warns, where attention was there and was not kept with the run, that nothing is said of it.

    Cost: calibrated, O(draws depth token^2 dim): about 0.15 s for 45 tokens and 13 depths with 99 draws, 9 s for 450
    tokens in 384 dimensions. Published: per depth one SVD, 24
    KMeans runs and O(token^3); per depth and head one eigenvalue problem; about 0.2 s for a depth of 150 tokens with 12
    heads. Runs on one thread, whatever the BLAS settings, which are restored after it: the problems are small, and
    threads that wait for each other on a busy machine take 30 times as long.

    >>> import compare
    >>> import sim
    >>> run = sim.simulate(sim.Attention(9.0), sim.uniform(8, 3), [0.0, 1.0, 10.0])
    >>> compare.measure(run, draws=9)["energy"].values.round(3).tolist()  # over pairs of different tokens
    [0.046, 0.105, 0.25]
    """
    if not isinstance(trajectory, Trajectory):
        raise ValueError(
            f"measure takes a sim.Trajectory, got {type(trajectory).__name__}: make one of your points"
        )
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(map(repr, PRESETS))}, got {preset!r}")
    if not isinstance(draws, Integral) or draws < 2:
        raise ValueError(f"draws must be a whole number of at least 2, got {draws!r}: 99 is the default")
    if not isinstance(plantings, Integral) or plantings < 1:
        raise ValueError(
            f"plantings must be a whole number of at least 1, got {plantings!r}: {PLANTINGS} is the default"
        )
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if trajectory.attention is None and trajectory.provenance.get("attention_kept") is False:
        warnings.warn(
            "the attention of this run was not kept, so that nothing is measured on it: make the run again, or the "
            "study with --keep-attention",
            stacklevel=2,
        )
    with one_thread():
        return PRESETS[preset](trajectory, draws=draws, seed=seed, plantings=plantings)
