"""Group A3 of the post, spectra: the Laplacian of the cosine graph and the principal axes."""

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh

from compare.metrics.variable import Variable

MOST_EIGENVALUES = 16
SECOND_GAP_RATIO = 1.1
COMPONENTS = 3

_A3 = "post, Group A3"

VARIABLES = {
    "spectral_clusters": Variable(
        ("depth",),
        "clusters by the eigengap",
        "1",
        _A3,
        "position of the largest gap among the min(16, n - 1) smallest eigenvalues of the normalised Laplacian of "
        "max(<x_i, x_j>, 0) without its diagonal; 1 for fewer than 3 tokens",
    ),
    "spectral_second_gap": Variable(
        ("depth",),
        "clusters by the eigengap after the first",
        "1",
        _A3,
        "position of the largest gap after the first; 1 where it is less than 1.1 times the next largest + 1e-10",
    ),
    "fiedler_bipartition": Variable(
        ("depth", "token"),
        "Fiedler bipartition",
        "1",
        _A3,
        "sign of the second eigenvector of that Laplacian (0 counts as +1), turned so that the token of largest size "
        "is +1; arbitrary where the second eigenvalue is repeated; 0 for fewer than 3 tokens",
    ),
    "principal_variance": Variable(
        ("depth", "component"),
        "variance explained by principal components",
        "1",
        _A3,
        "share of the variance of the centred unit points along the first three principal axes; NaN beyond "
        "min(dim, n - 1) axes and where all points coincide exactly",
    ),
    "principal_coordinates": Variable(
        ("depth", "token", "component"),
        "principal coordinates",
        "1",
        _A3,
        "centred unit points along those axes, each turned so that its largest coordinate is positive",
    ),
}


def laplacian(weights: Float[np.ndarray, "*batch token token"]) -> Float[np.ndarray, "*batch token token"]:
    """Symmetric normalised Laplacian I - D^(-1/2) W D^(-1/2) of a graph; the diagonal of W is ignored.

    An isolated token has a zero row, diagonal included, so each one adds an eigenvalue 0.
    """
    diagonal = np.arange(weights.shape[-1])
    weights = weights.copy()
    weights[..., diagonal, diagonal] = 0
    degree = weights.sum(axis=-1)
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    result = -weights * scale[..., :, None] * scale[..., None, :]
    result[..., diagonal, diagonal] = degree > 0
    return result


def eigengap(cosines: Float[np.ndarray, "token token"]) -> tuple[int, int, Int[np.ndarray, " token"]]:
    """Cluster count by the largest eigengap, by the largest gap after the first, and the Fiedler bipartition.

    Source: post, Group A3. The first gap nearly always wins, because W is dense and nearly constant.
    """
    n = len(cosines)
    if n < 3:
        return 1, 1, np.zeros(n, int)
    values, vectors = np.linalg.eigh(laplacian(np.maximum(cosines, 0)))
    gaps = np.diff(values[: min(MOST_EIGENVALUES, n - 1)])
    second = 1
    if len(gaps) > 2:
        next_largest, largest = np.sort(gaps[1:])[-2:]
        if largest / (next_largest + 1e-10) >= SECOND_GAP_RATIO:
            second = int(np.argmax(gaps[1:])) + 2
    return int(np.argmax(gaps)) + 1, second, np.where(_turned(vectors[:, 1]) >= 0, 1, -1)


def principal_components(
    points: Float[np.ndarray, "token dim"],
) -> tuple[Float[np.ndarray, " component"], Float[np.ndarray, "token component"]]:
    """Shares of variance along the first three principal axes, and the coordinates along them (post, Group A3).

    From the token Gram matrix, so a coordinate below 1e-8 of the largest is rounding. Cost: O(token^2 (dim + token)).
    """
    n, dim = points.shape
    share = np.full(COMPONENTS, np.nan)
    coordinates = np.full((n, COMPONENTS), np.nan)
    count = min(COMPONENTS, dim, n - 1)
    if count == 0:
        return share, coordinates
    centred = points - points.mean(axis=0)
    inner = centred @ centred.T
    values, vectors = eigh(inner, subset_by_index=[n - count, n - 1])
    values = np.clip(values[::-1], 0, None)
    for axis in range(count):
        coordinates[:, axis] = np.sqrt(values[axis]) * _turned(vectors[:, -1 - axis])
    if np.trace(inner) > 0:
        share[:count] = values / np.trace(inner)
    return share, coordinates


def _turned(vector: Float[np.ndarray, " token"]) -> Float[np.ndarray, " token"]:
    return vector if vector[np.argmax(np.abs(vector))] >= 0 else -vector


def spectra(
    points: Float[np.ndarray, "depth token dim"], cosines: Float[np.ndarray, "depth token token"]
) -> dict[str, np.ndarray]:
    """Eigengap counts, Fiedler bipartition and principal axes, depth by depth. Returns the arrays of `VARIABLES`."""
    first, second, side = zip(*map(eigengap, cosines))
    share, coordinates = zip(*map(principal_components, points))
    return {
        "spectral_clusters": np.array(first),
        "spectral_second_gap": np.array(second),
        "fiedler_bipartition": np.stack(side),
        "principal_variance": np.stack(share),
        "principal_coordinates": np.stack(coordinates),
    }
