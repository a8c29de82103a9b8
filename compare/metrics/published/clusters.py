"""Group A3 of the post: the number of clusters, by partitions of the tokens."""

import warnings

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning

from compare.metrics.variable import Variable

HEIGHTS = np.linspace(0.05, 0.60, 12)
MIDDLE_HEIGHT = 6
MOST_MEANS = 9
LEAST_SILHOUETTE = 0.1
LEAST_RANK = 10
PACKAGE_SAMPLES = 3
ORDERS = 4
ORDER_SEED = 42

_A3 = "post, Group A3"

VARIABLES = {
    "hdbscan_clusters": Variable(
        ("depth",),
        "HDBSCAN clusters",
        "1",
        _A3,
        "clusters of HDBSCAN on distances max(1 - <x_i, x_j>, 0) with min_cluster_size 2, min_samples 2 counting the "
        "point itself (scikit-learn's default), excess of mass, no single cluster: full collapse reads 0",
    ),
    "hdbscan_noise": Variable(
        ("depth",), "HDBSCAN noise", "1", _A3, "tokens that hdbscan_labels leaves in no cluster"
    ),
    "hdbscan_labels": Variable(
        ("depth", "token"),
        "HDBSCAN label",
        "1",
        _A3,
        "cluster of each token for hdbscan_clusters, -1 for noise",
    ),
    "hdbscan_package_clusters": Variable(
        ("depth",),
        "HDBSCAN clusters, min_samples as in the hdbscan package",
        "1",
        _A3,
        "as hdbscan_clusters with the second other point as core distance: what min_samples 2 means in the hdbscan "
        "package, which the post's code calls; its tied distances are cut in scikit-learn's order, so the count can "
        "differ from that package's and can change when tokens are reordered",
    ),
    "hdbscan_package_noise": Variable(
        ("depth",),
        "HDBSCAN noise, min_samples as in the hdbscan package",
        "1",
        _A3,
        "tokens in no cluster of hdbscan_package_clusters",
    ),
    "hdbscan_package_fewest": Variable(
        (),
        "fewest HDBSCAN clusters over token orders, min_samples as in the hdbscan package",
        "1",
        "metasphere, on post, Group A3",
        "least hdbscan_package_clusters of one and the same depth, the first one with most of them, over the order of "
        f"the tokens as it is and {ORDERS} others (seed {ORDER_SEED})",
    ),
    "hdbscan_package_most": Variable(
        (),
        "most HDBSCAN clusters over token orders, min_samples as in the hdbscan package",
        "1",
        "metasphere, on post, Group A3",
        "largest hdbscan_package_clusters of the depth and the orders of hdbscan_package_fewest",
    ),
    "agglomerative_clusters": Variable(
        ("depth", "height"),
        "agglomerative clusters",
        "1",
        _A3,
        "clusters left when average linkage on max(1 - <x_i, x_j>, 0) makes every merger below the height: "
        "1 + number of mergers at or above it; 12 heights from 0.05 to 0.60, of which 0.35 is the middle one",
    ),
    "kmeans_clusters": Variable(
        ("depth",),
        "KMeans clusters",
        "1",
        _A3,
        "k in 2..9, k < tokens, of the best cosine silhouette of KMeans on the unit points (3 starts, seed 42; the "
        "smallest k on a tie); 1 where no k gives two clusters or for fewer than 4 tokens",
    ),
    "kmeans_silhouette": Variable(
        ("depth",),
        "KMeans silhouette",
        "1",
        _A3,
        "cosine silhouette at kmeans_clusters; NaN where that is 1 (the post's code writes -1)",
    ),
    "kmeans_labels": Variable(
        ("depth", "token"), "KMeans label", "1", _A3, "cluster of each token at kmeans_clusters"
    ),
    "methods_agree": Variable(
        ("depth",),
        "cluster counts agree",
        "1",
        _A3,
        "largest minus smallest count at most 1 among agglomerative at 0.35, eigengap, rounded mean Sinkhorn count "
        "where there is attention and it is positive, and KMeans where its silhouette >= 0.1 and effective_rank >= 10",
    ),
}


def distances(cosines: Float[np.ndarray, "*depth token token"]) -> Float[np.ndarray, "*depth token token"]:
    """Cosine distances max(1 - G_ij, 0), exactly symmetric, with a zero diagonal."""
    apart = np.clip(1 - cosines, 0, None)
    apart = (apart + np.swapaxes(apart, -1, -2)) / 2
    diagonal = np.arange(apart.shape[-1])
    apart[..., diagonal, diagonal] = 0
    return apart


def hdbscan_labels(apart: Float[np.ndarray, "token token"], min_samples: int) -> Int[np.ndarray, " token"]:
    """Labels of HDBSCAN with clusters of at least two points, -1 for noise (post, Group A3).

    Arguments: apart, (token, token) distances; min_samples, the rank of the neighbour that sets the core distance,
    the point itself counted first. The hdbscan package does not count the point, so its 2 is 3 here.
    Points that all coincide are all noise, and so is a single token. Cost: O(token^2).
    """
    n = len(apart)
    if n < 2:
        return np.full(n, -1)
    model = HDBSCAN(
        min_cluster_size=2,
        min_samples=min(min_samples, n),
        metric="precomputed",
        copy=True,  # pyright: ignore[reportArgumentType]
    )
    return model.fit_predict(apart)


def agglomerative_counts(apart: Float[np.ndarray, "token token"]) -> Int[np.ndarray, " height"]:
    """Clusters that average linkage leaves below each of the 12 heights (post, Group A3)."""
    if len(apart) < 2:
        return np.ones(len(HEIGHTS), int)
    mergers = linkage(squareform(apart, checks=False), "average")[:, 2]
    return 1 + np.sum(mergers >= HEIGHTS[:, None], axis=1)


def silhouette(apart: Float[np.ndarray, "token token"], labels: Int[np.ndarray, " token"]) -> float:
    """Mean silhouette (b - a) / max(a, b) of a partition; a token alone in its cluster counts 0 (Rousseeuw 1987)."""
    member = labels[:, None] == np.unique(labels)
    size = member.sum(axis=0)
    total = apart @ member
    own = size[np.argmax(member, axis=1)]
    inside = np.sum(total, axis=1, where=member) / np.maximum(own - 1, 1)
    outside = np.min(total / size, axis=1, where=~member, initial=np.inf)
    scale = np.maximum(inside, outside)
    score = np.divide(outside - inside, scale, out=np.zeros(len(labels)), where=(own > 1) & (scale > 0))
    return float(score.mean())


def best_kmeans(
    points: Float[np.ndarray, "token dim"], apart: Float[np.ndarray, "token token"]
) -> tuple[int, float, Int[np.ndarray, " token"]]:
    """Number of means of the best silhouette, that silhouette, and the labels (post, Group A3).

    KMeans gives fewer clusters than asked for where points coincide; its warning about that is expected and silenced,
    and the partition that it did find is scored. Returns (1, NaN, zeros) where no partition has two clusters.
    Cost: 24 KMeans runs.
    """
    n = len(points)
    best = (1, np.nan, np.zeros(n, int))
    if n < 4:
        return best
    for k in range(2, min(MOST_MEANS, n - 1) + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = KMeans(n_clusters=k, n_init=3, random_state=42)  # pyright: ignore[reportArgumentType]
            labels = model.fit_predict(points)
        if len(np.unique(labels)) < 2:
            continue
        score = silhouette(apart, labels)
        if not score <= best[1]:
            best = (k, score, labels.astype(int))
    return best


def cluster_counts(
    points: Float[np.ndarray, "depth token dim"], cosines: Float[np.ndarray, "depth token token"]
) -> dict[str, np.ndarray]:
    """HDBSCAN, agglomerative and KMeans clusters at each depth: the arrays of `VARIABLES` but `methods_agree`."""
    apart = distances(cosines)
    labels = np.stack([hdbscan_labels(each, 2) for each in apart])
    package = np.stack([hdbscan_labels(each, PACKAGE_SAMPLES) for each in apart])
    means, score, groups = zip(*map(best_kmeans, points, apart))
    return {
        "hdbscan_clusters": labels.max(axis=1) + 1,
        "hdbscan_noise": np.sum(labels < 0, axis=1),
        "hdbscan_labels": labels,
        "hdbscan_package_clusters": package.max(axis=1) + 1,
        "hdbscan_package_noise": np.sum(package < 0, axis=1),
        "agglomerative_clusters": np.stack([agglomerative_counts(each) for each in apart]),
        "kmeans_clusters": np.array(means),
        "kmeans_silhouette": np.array(score),
        "kmeans_labels": np.stack(groups),
    }


def range_over_orders(
    points: Float[np.ndarray, "depth token dim"], counts: Int[np.ndarray, " depth"]
) -> dict[str, np.ndarray]:
    """What other orders of the tokens make of the largest of `counts`, hdbscan_package_clusters of each depth.

    Its distances are tied: whatever is nearer to a point than its second neighbour is as far as that one. The tree of
    the hierarchy takes ties in the order of the tokens, so that a count that differs is no property of the points.
    Cost: `ORDERS` times O(token^2 dim), about 15 % of one depth of `cluster_counts`, and so taken at one depth only.
    """
    random, depth = np.random.default_rng(ORDER_SEED), counts.argmax()
    apart, count = distances(points[depth] @ points[depth].T), counts[depth]
    orders = (random.permutation(len(apart)) for _ in range(ORDERS))
    relabelled = (hdbscan_labels(apart[np.ix_(order, order)], PACKAGE_SAMPLES) for order in orders)
    found = np.array([count, *(labels.max() + 1 for labels in relabelled)])
    return {"hdbscan_package_fewest": np.array(found.min()), "hdbscan_package_most": np.array(found.max())}


def methods_agree(
    agglomerative: Int[np.ndarray, "depth height"],
    spectral: Int[np.ndarray, " depth"],
    kmeans: Int[np.ndarray, " depth"],
    score: Float[np.ndarray, " depth"],
    rank: Float[np.ndarray, " depth"],
    sinkhorn: Float[np.ndarray, " depth"],
) -> Bool[np.ndarray, " depth"]:
    """Whether the cluster counts lie within 1 of each other (post, Group A3).

    Arguments: counts at each depth; `score`, the silhouette, and `rank`, the effective rank, decide whether KMeans
    votes; `sinkhorn`, the mean count over heads, is NaN where there is no attention.
    """
    counts = np.stack([agglomerative[:, MIDDLE_HEIGHT], spectral, kmeans, np.rint(sinkhorn)]).astype(float)
    counts[2, ~((score >= LEAST_SILHOUETTE) & (rank >= LEAST_RANK))] = np.nan
    counts[3, ~(counts[3] > 0)] = np.nan
    return np.nanmax(counts, axis=0) - np.nanmin(counts, axis=0) <= 1
