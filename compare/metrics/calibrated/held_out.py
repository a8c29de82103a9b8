"""Held-out margins: whether tokens that clusters were found without lie at their centres or between them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from compare.metrics.calibrated.partitions import FOLDS, Centres, dealt, partitions
from compare.metrics.variable import Variable

CLUSTERS = (3, 4, 5, 6, 8, 10, 12)
"""Numbers of clusters k that are tried."""

LEAST_MEMBERS = 3
LEAST_OUTSIDE = 5
ROUNDING = 3 * 2.0**-9

_SOURCE = "derived for this project"
_DIMS = ("held_out_depth", "clusters")
_FOUND = (
    "k clusters by Ward's linkage and 3 steps of Lloyd on nine tenths of the tokens, for each tenth in turn, pairs of "
    "near-duplicates in one tenth"
)
_NAN = "NaN for fewer than 3 k kept tokens"

VARIABLES = {
    "held_out_gap": Variable(
        _DIMS,
        "gap between clusters V",
        "1",
        _SOURCE,
        f"{_FOUND}; d_c = |x - c|^2 - w_c/m_c of a held-out token and its nearest two centres of 3 tokens or more "
        "(w_c: trace of the covariance within, m_c: size), t = (d_2 - d_1)/|c_1 - c_2|^2; V is the mean of "
        "-cos(pi t/mean t) without the one cluster that adds most to it: 1 for tokens at centres, about -0.1 for a "
        f"Gaussian cloud, at most 0 for a continuum; {_NAN}",
    ),
    "held_out_agreement": Variable(
        _DIMS,
        "agreement of clusters kappa",
        "1",
        _SOURCE,
        f"{_FOUND}; Cohen's kappa between the cluster nearest to each held-out token, under the name of the cluster of "
        "all tokens that it shares most tokens with (of two such, the smaller), and the token's own cluster of all "
        f"tokens; {_NAN}",
    ),
    "share_between": Variable(
        _DIMS,
        "share of variance between clusters",
        "1",
        _SOURCE,
        "(B - b)/(1 - b), where B is the share of the variance between k clusters of all tokens, by Ward's linkage and "
        f"3 steps of Lloyd, and b = (k - 1)/(n - 1) what k - 1 random directions hold; {_NAN}",
    ),
}


class HeldOut(NamedTuple):
    """V, kappa and the share of variance between clusters, as in `VARIABLES`; NaN for too few tokens."""

    gap: Float[np.ndarray, "*cloud count"]
    agreement: Float[np.ndarray, "*cloud count"]
    share: Float[np.ndarray, "*cloud count"]


class Margins(NamedTuple):
    """One token's margins t at each number of clusters, and which cluster it is in, found without it and with it.

    known: whether two centres of enough tokens were there to lie between.
    """

    margin: Float[np.ndarray, "count token"]
    named: Int[np.ndarray, "count token"]
    label: Int[np.ndarray, "count token"]
    known: Bool[np.ndarray, "count token"]


def read_depths(depths: int) -> tuple[int, int, int]:
    """The depths at which held-out margins are taken: the first, the middle one of the last third, and the last."""
    return 0, round(5 * (depths - 1) / 6), depths - 1


def held_out_of_run(points: Float[np.ndarray, "depth token dim"], seed: int = 0) -> HeldOut:
    """`held_out` of one run at its `read_depths`, as (held_out_depth, clusters). Cost: three times that."""
    clouds = [blurred(points[depth], seed, depth) for depth in read_depths(len(points))]
    return HeldOut(*map(np.stack, zip(*(held_out(cloud) for cloud in clouds))))


def blurred(cloud: Float[np.ndarray, "token dim"], seed: int, depth: int) -> Float[np.ndarray, "token dim"]:
    """Unit points under relative noise of each coordinate, three times as large as half precision can leave.

    Where all tokens have met, what is left of their differences lies on the grid of half precision and looks
    clustered.
    """
    noise = np.random.default_rng((seed, 6, depth)).standard_normal(cloud.shape)
    moved = cloud * (1 + ROUNDING * noise)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def held_out(
    cloud: Float[np.ndarray, "token dim"], whole: Float[np.ndarray, "token dim"] | None = None
) -> HeldOut:
    """Gap V, agreement kappa and share of variance between clusters, for each number of `CLUSTERS`.

    A continuum can be cut anywhere: its held-out tokens lie between two centres as often as anywhere else. Between
    clusters there are none, and what was found without a token is found again with it.

    Arguments: cloud, the points in which clusters are sought. whole: the same tokens' points of which the share of the
    variance is said, where they are others, as they are where `cloud` is whitened.

    Returns numbers (count,): V in [-1, 1], kappa at most 1, the share at most 1, 0 on average for clusters at random.
    None changes under rotation or scaling of the cloud, nor with the order of its tokens where no two are equally far
    from the mean. Cost: O(token^2 (dim + folds counts clusters)), 10 ms for 60 tokens.

    Source: derived for this project.
    """
    tokens = len(cloud)
    counts = np.array([count for count in CLUSTERS if LEAST_MEMBERS * count <= tokens], int)
    found = HeldOut(*np.full((3, len(CLUSTERS)), np.nan))
    if not len(counts):
        return found
    gram = _gram(cloud)
    fold = dealt(gram)
    known = np.concatenate([fold != np.arange(FOLDS)[:, None], np.ones((1, tokens), bool)])
    centres = partitions(gram, known, counts)
    taken = margins(gram, fold, centres)
    inside = gram if whole is None else _gram(whole)
    for place in range(len(counts)):
        here = Margins(*(part[place] for part in taken))
        found.gap[place] = gap(here.margin[here.known], here.label[here.known])
        found.agreement[place] = kappa(here.named[here.known], here.label[here.known])
        found.share[place] = share_between(inside, centres.members[-1, place])
    return found


def margins(
    gram: Float[np.ndarray, "token token"], fold: Int[np.ndarray, " token"], centres: Centres
) -> Margins:
    """The margin of each token between the nearest two centres that were found without its fold.

    centres: of partitions (fold, count), and last those of all tokens.
    """
    size, squares, members = centres.size[:-1], centres.squares[:-1], centres.members[:-1]
    tokens = np.arange(len(gram))
    within = np.diag(gram) @ members - size * squares
    spread = within / np.maximum(size - 1, 1) / np.maximum(size, 1)
    offset = np.where(size < LEAST_MEMBERS, np.inf, squares - spread)
    distance = np.diag(gram)[:, None, None] + offset[fold] - 2 * centres.products[fold, :, tokens]
    first, second = np.moveaxis(np.argsort(distance, axis=-1, kind="stable")[..., :2], -1, 0)
    row, column = tokens[:, None], np.arange(distance.shape[1])
    between = members.swapaxes(-1, -2) @ centres.products[:-1] / np.maximum(size, 1)[..., None]
    apart = squares[fold[:, None], column, first] + squares[fold[:, None], column, second]
    apart -= 2 * between[fold[:, None], column, first, second]
    known = np.isfinite(distance[row, column, second]) & (apart > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        margin = (distance[row, column, second] - distance[row, column, first]) / apart
    shared = members.swapaxes(-1, -2) @ centres.members[-1]
    shared -= centres.size[-1][:, None] / (2 * len(gram))  # of two that share as many tokens the smaller
    named = shared.argmax(axis=-1)[fold[:, None], column, first]
    label = centres.members[-1].argmax(axis=-1)
    return Margins(margin.T, named.T, label, known.T)


def gap(margin: Float[np.ndarray, " token"], label: Int[np.ndarray, " token"]) -> float:
    """V, the mean of -cos(pi t/mean t) over the tokens outside of the one cluster that adds most to it.

    0 where fewer than 5 tokens are left, or all lie midway.
    """
    if not margin.sum() > 0:
        return 0.0
    added = np.bincount(label, -np.cos(np.pi * margin / margin.mean()))
    outside = margin[label != added.argmax()]
    if len(outside) < LEAST_OUTSIDE or not outside.sum() > 0:
        return 0.0
    return float(-np.cos(np.pi * outside / outside.mean()).mean())


def kappa(named: Int[np.ndarray, " token"], label: Int[np.ndarray, " token"]) -> float:
    """Cohen's kappa of two labellings by the same names; 0 without tokens, and where chance alone agrees fully."""
    if not len(label):
        return 0.0
    most = max(named.max(), label.max()) + 1
    chance = np.bincount(named, minlength=most) @ np.bincount(label, minlength=most) / len(label) ** 2
    return float((np.mean(named == label) - chance) / (1 - chance)) if chance < 1 else 0.0


def share_between(
    gram: Float[np.ndarray, "token token"], members: Float[np.ndarray, "token cluster"]
) -> float:
    """(B - b)/(1 - b), the share of variance between k clusters over that between k at random, b = (k - 1)/(n - 1).

    gram: about the mean. members: 1 where a token is in the cluster. 0 where all tokens coincide.
    """
    size, total = members.sum(axis=0), np.trace(gram)
    if not total > 0:
        return 0.0
    filled = members[:, size > 0]
    between = np.sum(np.einsum("nc,nc->c", filled, gram @ filled) / size[size > 0]) / total
    chance = (filled.shape[1] - 1) / (len(gram) - 1)
    return float((between - chance) / (1 - chance))


def _gram(cloud: Float[np.ndarray, "token dim"]) -> Float[np.ndarray, "token token"]:
    """Inner products about the mean."""
    centred = cloud - cloud.mean(axis=0)
    return centred @ centred.T
