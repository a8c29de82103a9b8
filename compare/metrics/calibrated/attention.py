"""Attention to a token's own cluster, over what position alone gives."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from compare.metrics.nulls.locality import mask_matched
from compare.metrics.variable import Variable

LEAST_SHARE = 1e-6
MOVES_AT_ONCE = 20
PLANTED = (0.05, 0.1, 0.2)
"""Shares of each token's attention that are moved to a cluster where a preference for it is planted."""
PLANTINGS = 6
"""How often that is done where nobody asks for more: enough for a coarse limit, unless it only just is one."""
VARIABLES = {
    "attention_follow": Variable(
        ("depth", "head"),
        "attention within clusters",
        "nat",
        "calibrated",
        "log of the attention that kept tokens give to others of their cluster_label, over what the mask, the "
        "distance and the popularity of keys give there; NaN where the depth has no attention or no clusters",
    ),
    "attention_follow_null": Variable(
        ("draw", "depth", "head"),
        "attention within clusters, null",
        "nat",
        "calibrated",
        "attention_follow with the labels moved along the text, alike at all depths",
    ),
    "attention_follow_planted": Variable(
        ("planted_share", "planting", "depth"),
        "attention within clusters, planted",
        "nat",
        "calibrated",
        "mean over heads of what attention_follow_null is in a draw, once a share of the attention that each token "
        "gives to kept tokens has been moved to those that share its moved label, in proportion to what they have; the "
        "first draws are those of the null",
    ),
}


class Followed(NamedTuple):
    """attention_follow, its null draws, in single precision, and draws with a preference for moved labels planted."""

    own: Float[np.ndarray, "depth head"]
    null: Float[np.ndarray, "draw depth head"]
    planted: Float[np.ndarray, "planted_share planting depth"]


def attention_follow(
    attention: Float[np.ndarray, "depth head token token"],
    labels: Int[np.ndarray, "depth token"],
    causal: bool,
    local: bool,
    draws: int,
    seed: int = 0,
    plantings: int = PLANTINGS,
) -> Followed:
    """log of the attention that tokens give to the rest of their cluster, over its mask-matched null.

    Sums run over pairs i != j of one cluster that the mask allows, A in the numerator and E of
    `compare.metrics.nulls.mask_matched` in the denominator. The null draws are the same quotient with the labels moved
    along
    the text: turned round it by a random number of tokens, and in half of the draws reversed, alike at all depths.
    So they keep the sizes of the clusters and how labels cluster along the text, and lose which token has which.
    Without positions (`local` False) labels are permuted freely.

    On attention by distance, key and noise, with labels in runs along the text, 2 % of 240 trials had p <= .05 (39
    draws). With uniform attention in the denominator they were 5 to 33 %, and 85 to 98 % with labels permuted freely.
    The quotient is small where clusters lie along the text: weights times 1.5 within them read .03 (causal) to .08.

    What would be seen in this very attention the plantings say: each gives a cluster of moved labels, those of the draw
    of its number, which the attention does not follow, a share more of the attention of its tokens (`PLANTED`).

    Arguments
    ---------
    attention: rows at each depth, computed from the points there. labels: cluster of each token there, -1 for none, -2
        for tokens left out. causal: keys are those up to the query. local: tokens stand along a text.
    draws: of the null. seed: of all that is drawn. plantings: of each size, which may be more than the draws.

    Returns natural logarithms: 0 where attention ignores the clusters, log 2 where it gives them twice as much, and
    log 1e-6 at least. NaN where the depth has no attention or no clusters, or no seen pair is within one.
    Cost: O(head token^2) a draw and depth, and at depths with clusters three fits of the null a planting.
    """
    depths, heads, tokens, _ = attention.shape
    own = np.full((depths, heads), np.nan)
    null = np.full((draws, depths, heads), np.nan, np.float32)  # most of what is kept of a run with attention
    planted = np.full((len(PLANTED), plantings, depths), np.nan)
    kept = np.flatnonzero(labels[0] > -2)
    inside = np.ix_(kept, kept)
    seen = np.tri(tokens, dtype=bool) if causal else np.ones((tokens, tokens), bool)
    pairs = np.zeros((tokens, tokens), bool)
    pairs[inside] = (seen & ~np.eye(tokens, dtype=bool))[inside]
    moved = np.stack([*_moves(len(kept), max(draws, plantings), local, seed)])
    moves = np.concatenate([np.arange(len(kept))[None], moved[:draws]])
    weights = np.empty((2, heads, len(kept), len(kept)))
    for depth in range(depths):
        if np.isnan(attention[depth]).any() or np.all(labels[depth] < 0):
            continue
        rows = np.where(pairs, attention[depth], 0).astype(np.float64)
        for head, row in enumerate(rows):  # one at a time stays in the processor's cache
            weights[0, head] = row[inside]
            weights[1, head] = mask_matched(row[None], pairs, local=local)[0][inside]
        quotients = _logarithm(*_within_clusters(weights, labels[depth, kept][moves]))
        own[depth], null[:, depth] = quotients[:, 0], quotients[:, 1:].T
        for planting, move in enumerate(moved[:plantings]):
            same = np.zeros_like(pairs)
            same[inside] = _within(labels[depth, kept][move])
            same &= pairs
            for size, share in enumerate(PLANTED):
                planted[size, planting, depth] = _follow(_moved_to(rows, same, share), same, pairs, local)
    return Followed(own, null, planted)


def _moved_to(
    rows: Float[np.ndarray, "head token token"], same: Bool[np.ndarray, "token token"], share: float
) -> Float[np.ndarray, "head token token"]:
    """Attention with a share of each row moved to the pairs of one cluster; rows that give it nothing stay."""
    inside = np.where(same, rows, 0)
    given, whole = inside.sum(axis=2, keepdims=True), rows.sum(axis=2, keepdims=True)
    drawn = np.divide(whole, given, out=np.ones_like(given), where=given > 0)
    return np.where(given > 0, (1 - share) * rows + share * drawn * inside, rows)


def _follow(
    rows: Float[np.ndarray, "head token token"],
    same: Bool[np.ndarray, "token token"],
    pairs: Bool[np.ndarray, "token token"],
    local: bool,
) -> float:
    """The mean over heads of the log of attention to the pairs of one cluster over its mask-matched null."""
    expected = mask_matched(rows, pairs, local=local)
    found, known = (np.sum(np.where(same, each, 0), axis=(1, 2)) for each in (rows, expected))
    return float(np.mean(_logarithm(found[known > 0], known[known > 0]))) if known.any() else np.nan


def _logarithm(
    found: Float[np.ndarray, "..."], expected: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """The logarithm of attention over what is expected; NaN where neither is any."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.maximum(found / expected, LEAST_SHARE))


def _within(labels: Int[np.ndarray, "*move token"]) -> Bool[np.ndarray, "*move token token"]:
    """The pairs of tokens that share a cluster; a token without one shares it with none."""
    keys = np.where(labels < 0, -2, labels)
    return labels[..., :, None] == keys[..., None, :]


def _moves(tokens: int, draws: int, local: bool, seed: int) -> Iterator[Int[np.ndarray, " token"]]:
    """Places from which the tokens take their labels, one array a draw."""
    random = np.random.default_rng((seed, 4))
    places = np.arange(tokens)
    for draw in range(draws):
        if local:
            turned = np.roll(places, random.integers(1, max(tokens, 2)))
            yield turned[::-1] if draw % 2 else turned
        else:
            yield random.permutation(places)


def _within_clusters(
    weights: Float[np.ndarray, "part head token token"], labels: Int[np.ndarray, "move token"]
) -> Float[np.ndarray, "part head move"]:
    """Sums of weights over the pairs of one cluster, under each labelling."""
    parts, heads, tokens, _ = weights.shape
    flat = weights.reshape(parts * heads, tokens**2)
    found = np.empty((parts * heads, len(labels)))
    for start in range(0, len(labels), MOVES_AT_ONCE):
        some = labels[start : start + MOVES_AT_ONCE]
        same = _within(some).astype(np.float64)
        found[:, start : start + MOVES_AT_ONCE] = flat @ same.reshape(len(some), -1).T
    return found.reshape(parts, heads, -1)
