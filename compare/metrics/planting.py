"""Clusters planted in a given trajectory: what is there is known, and all else is as it was."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from compare.metrics import exclusions
from sim.sphere import normalise
from sim.trajectory import Trajectory

NO_GROUP = -1


def planted(
    trajectory: Trajectory,
    groups: int = 5,
    share: float = 0.8,
    start: int = 1,
    full: int = 4,
    until: int | None = None,
    gone: int | None = None,
    seed: int = 0,
) -> Trajectory:
    """The trajectory with clusters in the place of a share of its variance.

    At each depth let m be the mean of the tokens that the calibrated statistics keep, C the deviations from it, and A
    the centre of each token's group. Where s is the share at this depth, a point becomes the direction of

        m + k (sqrt(1 - s) C + sqrt(s) A).

    The centres are Gaussian mixtures of the deviations, the same mixtures at all depths, and so have the covariance of
    the tokens, within and between depths. A has mean 0 and as much variance as C, and k, which is near 1, keeps that
    variance. So means, variance, anisotropy and each token's own noise stay, up to the projection to the sphere.

    Over depth s is 0 up to `start`, rises by equal steps to `share` at `full`, stays there up to `until`, and falls
    by equal steps to 0 at `gone`.

    Arguments
    ---------
    trajectory: of any origin, on either axis, with 2 different tokens or more.
    groups: number of clusters, from 2 to the number of different tokens.
    share: of the variance about the mean, in [0, 1]: at 0 nothing changes, at 1 the tokens of a group coincide.
    start, full, until, gone: indices of depth, 0 <= start < full <= until < gone. `gone` may lie behind the last depth;
        without `until` and `gone` the clusters stay to the end.
    seed: of groups and centres; the groups are those of `planted_groups`.

    Returns a trajectory of the same depths, tokens, masses and norms, with the arguments as ``provenance["planted"]``
    and without attention, which was computed from other points. Special tokens and sinks stay where they are, copies of
    a token share its group, and variance is that without rogue coordinates (`compare.metrics.exclusions`).

    Raises ValueError for groups, a share or depths out of their range.
    Cost: O(depth token dim groups).

    >>> import sim
    >>> run = sim.Trajectory([sim.uniform(30, 8, seed=3)] * 6, depth=range(6), axis="layer")
    >>> sorted(planted(run, groups=3, share=0.5).provenance["planted"])
    ['full', 'gone', 'groups', 'seed', 'share', 'start', 'until']
    """
    course = {"start": start, "full": full, "until": until, "gone": gone}
    shares = _shares(len(trajectory.points), share, **course)
    made = exclusions.exclude(trajectory)
    label = _dealt(trajectory, made, groups, seed)
    grouped = label != NO_GROUP
    counts = made.kept[grouped]
    own_coordinates = np.ones(trajectory.points.shape[2])
    own_coordinates[made.rogue] = 0
    mixtures = np.random.default_rng((seed, 1)).standard_normal((groups, int(counts.sum())))
    points = trajectory.points.copy()
    for depth in np.flatnonzero(shares):
        cloud = points[depth, grouped]
        mean = cloud[counts].mean(axis=0)
        own = cloud - mean
        centres = (mixtures @ own[counts])[label[grouped]]
        centres = _of_variance(own, centres - centres[counts].mean(axis=0), counts, own_coordinates)
        mixed = np.sqrt(1 - shares[depth]) * own + np.sqrt(shares[depth]) * centres
        points[depth, grouped] = normalise(mean + _of_variance(own, mixed, counts, own_coordinates))
    facts: dict[str, Any] = {"groups": groups, "share": share, **course, "seed": seed}
    return replace(
        trajectory, points=points, attention=None, provenance=trajectory.provenance | {"planted": facts}
    )


def planted_groups(trajectory: Trajectory, groups: int = 5, seed: int = 0) -> Int[np.ndarray, " token"]:
    """The group that `planted` puts each token in, from 0 on; -1 for special tokens and sinks.

    Different tokens are dealt at random into groups whose sizes differ by one at most, and copies of one token go with
    it. Raises ValueError for fewer than 2 groups, or more than there are different tokens.
    """
    return _dealt(trajectory, exclusions.exclude(trajectory), groups, seed)


def _dealt(
    trajectory: Trajectory, made: exclusions.Exclusions, groups: int, seed: int
) -> Int[np.ndarray, " token"]:
    different = int(made.kept.sum())
    if not 2 <= groups <= different:
        raise ValueError(f"need 2 to {different} groups, as many as different tokens, got {groups}")
    label = np.full(len(made.kept), NO_GROUP)
    label[made.kept] = np.random.default_rng((seed, 0)).permutation(np.arange(different) % groups)
    names = np.asarray(trajectory.provenance.get("token_ids") or trajectory.tokens).astype(str)
    of_name = dict(zip(names[made.kept], label[made.kept]))
    label[made.duplicates] = [of_name[name] for name in names[made.duplicates]]
    return label


def _shares(
    depths: int, share: float, start: int, full: int, until: int | None, gone: int | None
) -> Float[np.ndarray, " depth"]:
    """The share of the variance that is planted at each depth."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], a share of the variance, got {share}")
    if (until is None) != (gone is None):
        raise ValueError(f"give both until and gone, or neither, got until={until} and gone={gone}")
    last, end = (max(depths, full), max(depths, full) + 1) if until is None or gone is None else (until, gone)
    if not 0 <= start < full <= last < end:
        raise ValueError(
            f"need 0 <= start < full <= until < gone, got start={start}, full={full}, until={until}, gone={gone}"
        )
    return np.interp(np.arange(depths), [start, full, last, end], [0, share, share, 0])


def _of_variance(
    model: Float[np.ndarray, "token dim"],
    deviations: Float[np.ndarray, "token dim"],
    counts: Bool[np.ndarray, " token"],
    coordinates: Float[np.ndarray, " dim"],
) -> Float[np.ndarray, "token dim"]:
    """Deviations scaled to the variance of `model`, over tokens that count and coordinates by their weight, 0 or 1."""
    wanted, found = (
        np.einsum("td,td,d->", each[counts], each[counts], coordinates) for each in (model, deviations)
    )
    return deviations * np.sqrt(wanted / found) if found > 0 else deviations
