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
    shares = planted_shares(len(trajectory.points), share, **course)
    made = exclusions.exclude(trajectory)
    label = _dealt(trajectory, made, groups, seed)
    grouped = label != NO_GROUP
    counts = made.kept[grouped]
    own_coordinates = np.ones(trajectory.points.shape[2])
    own_coordinates[made.rogue] = 0
    points = trajectory.points.copy()
    there = np.ix_(shares > 0, grouped)
    points[there] = _mixed(points[there], label[grouped], counts, own_coordinates, shares[shares > 0], seed)
    facts: dict[str, Any] = {"groups": groups, "share": share, **course, "seed": seed}
    return replace(
        trajectory, points=points, attention=None, provenance=trajectory.provenance | {"planted": facts}
    )


def planted_points(
    points: Float[np.ndarray, "depth token dim"], groups: int, shares: Float[np.ndarray, " depth"], seed: int
) -> Float[np.ndarray, "depth token dim"]:
    """What `planted` makes of the points of kept tokens, in the coordinates that are kept, as unit points.

    points: without rogue coordinates, as they are in the trajectory, of any length. shares: planted at each depth, of
    `planted_shares`. groups, seed: as of `planted`. Cost: O(depth token dim groups), and three times the points.
    """
    tokens, dim = points.shape[1:]
    label = _groups(tokens, groups, seed)
    return _mixed(points, label, np.ones(tokens, bool), np.ones(dim), shares, seed)


def in_own_span(points: Float[np.ndarray, "depth token dim"]) -> Float[np.ndarray, "depth token span"]:
    """The points of each depth in coordinates of their own span: all inner products are the same.

    What is planted in few coordinates is planted sooner. Cost: O(depth token^2 dim), once.
    """
    if points.shape[2] <= points.shape[1]:
        return points
    return np.asarray(np.linalg.qr(points.swapaxes(1, 2), mode="r")).swapaxes(1, 2)


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
    label[made.kept] = _groups(different, groups, seed)
    names = np.asarray(trajectory.provenance.get("token_ids") or trajectory.tokens).astype(str)
    of_name = dict(zip(names[made.kept], label[made.kept]))
    label[made.duplicates] = [of_name[name] for name in names[made.duplicates]]
    return label


def _groups(different: int, groups: int, seed: int) -> Int[np.ndarray, " token"]:
    return np.random.default_rng((seed, 0)).permutation(np.arange(different) % groups)


def planted_shares(
    depths: int, share: float, start: int, full: int, until: int | None, gone: int | None
) -> Float[np.ndarray, " depth"]:
    """The share of the variance that `planted` plants at each depth. Raises ValueError as it does."""
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


def _mixed(
    points: Float[np.ndarray, "depth token dim"],
    label: Int[np.ndarray, " token"],
    counts: Bool[np.ndarray, " token"],
    coordinates: Float[np.ndarray, " dim"],
    shares: Float[np.ndarray, " depth"],
    seed: int,
) -> Float[np.ndarray, "depth token dim"]:
    """The points with clusters in the place of these shares of the variance over tokens that count.

    label: the group of each token. coordinates: the weight, 0 or 1, of each in the variance.
    """
    counted = points[:, counts]
    mean = counted.mean(axis=1, keepdims=True)
    own, counted = points - mean, counted - mean
    wanted = _variance(counted, coordinates)
    mixtures = np.random.default_rng((seed, 1)).standard_normal((label.max() + 1, counted.shape[1]))
    centres = (mixtures @ counted)[:, label]
    centres -= centres[:, counts].mean(axis=1, keepdims=True)
    share = shares[:, None, None]
    own *= np.sqrt(1 - share)
    centres *= np.sqrt(share) * _factor(wanted, _variance(centres[:, counts], coordinates))
    own += centres
    own *= _factor(wanted, _variance(own[:, counts], coordinates))
    own += mean
    return normalise(own)


def _variance(
    deviations: Float[np.ndarray, "depth token dim"], coordinates: Float[np.ndarray, " dim"]
) -> Float[np.ndarray, " depth"]:
    return np.square(deviations).sum(axis=1) @ coordinates


def _factor(
    wanted: Float[np.ndarray, " depth"], found: Float[np.ndarray, " depth"]
) -> Float[np.ndarray, "depth 1 1"]:
    """What deviations are multiplied by to have the variance that is wanted; 1 where they have none."""
    return np.sqrt(np.divide(wanted, found, out=np.ones_like(found), where=found > 0))[:, None, None]
