"""What the value path O V of a trained head does to directions, in numbers that no basis inside the head moves."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Complex, Float

from sim.attention import Attention

ROUNDING = 1e-8
_MEAN_FREE = 1e-5
STATISTICS = (
    "frobenius_norm",
    "spectral_radius",
    "spectral_abscissa",
    "attractive_share",
    "repulsive_share",
    "complex_share",
    "henrici",
    "symmetric_share",
    "numerical_lowest",
    "numerical_highest",
)


class Factors(NamedTuple):
    """M = left diag(singular) right^T, orthonormal columns, the singular values above rounding only."""

    left: Float[np.ndarray, "d rank"]
    singular: Float[np.ndarray, " rank"]
    right: Float[np.ndarray, "d rank"]


def spectra(
    fields: Sequence[Attention], *, together: bool = False, draws: int = 20, seed: int = 0
) -> xr.Dataset:
    """Statistics of M = O V for each head on the space where tokens live, beside a null.

    Where the heads never write along the all-ones vector, as in the fields of models with LayerNorm, that space is the
    one orthogonal to it, and what they read off it is left out; elsewhere (RMSNorm) it is the whole.

    V alone has no spectrum that means anything: a head keeps M when V -> G V and O -> O G^(-1). M has at most d_head
    eigenvalues that are not 0 by its shape; only as many as its rank are computed, from a product of that size, so
    none is a rounded zero whose sign is chance.

    | statistic | definition | range |
    |---|---|---|
    | frobenius_norm | root of the sum of squared singular values | > 0 |
    | spectral_radius | largest abs(lambda) | >= 0 |
    | spectral_abscissa | largest Re(lambda) | any |
    | attractive_share, repulsive_share | shares of eigenvalues with Re(lambda) > 0 and < 0 | [0, 1] |
    | complex_share | share of eigenvalues with an imaginary part | [0, 1] |
    | henrici | 1 - sum abs(lambda)^2 / frobenius_norm^2; 0 for a normal M, 1 for a nilpotent one | [0, 1] |
    | symmetric_share | squared norm of (M + M^T) / 2, over that of M; 1/2 where M is unrelated to M^T | [0, 1] |
    | numerical_lowest, numerical_highest | ends of <x, M x> over unit x that M reads or writes | any |

    Parts of an eigenvalue below 1e-8 of the spectral radius count as 0.

    The null keeps the singular values of M and turns what it reads and what it writes to independent random
    directions (Haar measure). That is the law of a product of two Gaussian matrices of the head's shape, given its
    singular values: what would be seen if reading and writing had nothing to do with each other.

    Arguments
    ---------
    fields: as of `operators`, with value and output; gain and bias of the norm are folded in there.
    together: the sum of the heads of a layer as one operator, under head number 0.
    draws: random operators a head; 0 for none. seed: of them.

    Returns
    -------
    An `xarray.Dataset` with each statistic over (layer, head), the ``rank``, and the draws of the null as
    ``NAME_null`` (layer, head, draw), NaN for a head of rank 0.

    Raises ValueError for a field without value or output.
    Cost: O(d d_head^2) a head and draw; O(d^3) with `together`. Fields that are one object are computed once.

    Source: the post, Group E and its second part, which take W_V or the full d x d product; see also 2305.05465.
    """
    rows, known = [], {}
    for field in fields:
        if id(field) not in known:
            random = np.random.default_rng((seed, len(known)))
            known[id(field)] = [_with_null(*path, draws, random) for path in value_paths(field, together)]
        rows.append(known[id(field)])
    own = np.array([[head[0] for head in row] for row in rows])
    null = np.array([[head[1] for head in row] for row in rows]).reshape(
        *own.shape[:2], draws, len(STATISTICS)
    )
    ranks = np.array([[head[2] for head in row] for row in rows])
    return xr.Dataset(
        {"rank": (("layer", "head"), ranks)}
        | {name: (("layer", "head"), own[..., place]) for place, name in enumerate(STATISTICS)}
        | {
            f"{name}_null": (("layer", "head", "draw"), null[..., place])
            for place, name in enumerate(STATISTICS)
        }
    )


def value_paths(
    field: Attention, together: bool = False
) -> list[tuple[Float[np.ndarray, "d rank"], Float[np.ndarray, "rank d"]]]:
    """(O, V) of each head, or of all as one, on the space where tokens live."""
    if field.value is None or field.output is None:
        raise ValueError("the field has no value or no output matrix: give one of probe.operators")
    value, output = np.asarray(field.value, np.float64), np.asarray(field.output, np.float64)
    if mean_free(output):
        value = value - value.mean(axis=2, keepdims=True)
        output = output - output.mean(axis=1, keepdims=True)
    if together:
        return [(np.concatenate(list(output), axis=1), np.concatenate(list(value), axis=0))]
    return list(zip(output, value))


def mean_free(output: Float[np.ndarray, "*head d inner"]) -> bool:
    """Whether nothing is written along the all-ones vector, up to the rounding of single precision."""
    return bool(np.abs(output.sum(axis=-2)).max() <= _MEAN_FREE * np.abs(output).sum(axis=-2).max())


def factors(output: Float[np.ndarray, "d inner"], value: Float[np.ndarray, "inner d"]) -> Factors:
    """Singular value decomposition of O V, through a matrix of the inner size; O(d inner^2)."""
    writes, outer = np.linalg.qr(output)
    reads, inner = np.linalg.qr(value.T)
    left, singular, right = np.linalg.svd(outer @ inner.T)
    rank = int(np.sum(singular > singular[0] * max(output.shape) * np.finfo(np.float64).eps))
    return Factors(writes @ left[:, :rank], singular[:rank], reads @ right[:rank].T)


def eigenvalues(parts: Factors) -> Complex[np.ndarray, " rank"]:
    """The eigenvalues of M that its rank allows, the largest first; those that are 0 by its shape are not there."""
    values = np.linalg.eigvals(parts.singular[:, None] * (parts.right.T @ parts.left)).astype(complex)
    return values[np.argsort(-np.abs(values))]


def compressed(parts: Factors) -> Float[np.ndarray, "span span"]:
    """M on the span of what it reads and what it writes, in an orthonormal basis of it; elsewhere M is 0."""
    spanning, sizes, _ = np.linalg.svd(np.concatenate([parts.left, parts.right], axis=1), full_matrices=False)
    basis = spanning[:, sizes > 1e-10]
    return (basis.T @ parts.left) * parts.singular @ (parts.right.T @ basis)


def numerical_range(parts: Factors, angles: int = 64) -> Complex[np.ndarray, " angle"]:
    """Boundary points of {x* M x : |x| = 1} over complex x in that span, one for each direction of a regular fan."""
    matrix = compressed(parts)
    turns = np.exp(-2j * np.pi * np.arange(angles) / angles)
    tops = [np.linalg.eigh((turn * matrix + (turn * matrix).conj().T) / 2)[1][:, -1] for turn in turns]
    return np.array([top.conj() @ matrix @ top for top in tops])


def statistics(parts: Factors) -> Float[np.ndarray, " statistic"]:
    """The values of `STATISTICS`, in order; NaN for rank 0."""
    if len(parts.singular) == 0:
        return np.full(len(STATISTICS), np.nan)
    values = eigenvalues(parts)
    radius = abs(values[0])
    squared = np.sum(parts.singular**2)
    matrix = compressed(parts)
    symmetric = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    return np.array(
        [
            np.sqrt(squared),
            radius,
            np.real(values).max(),
            np.mean(np.real(values) > ROUNDING * radius),
            np.mean(np.real(values) < -ROUNDING * radius),
            np.mean(np.abs(np.imag(values)) > ROUNDING * radius),
            np.clip(1 - np.sum(np.abs(values) ** 2) / squared, 0, 1),
            np.sum(symmetric**2) / squared,
            symmetric[0],
            symmetric[-1],
        ]
    )


def random_factors(parts: Factors, dimension: int, random: np.random.Generator) -> Factors:
    """The same singular values, between independent random directions of a space of that dimension.

    The signs that a QR decomposition chooses are taken off: with them the two frames would not be independent, and the
    mean trace of the product not 0.
    """
    left, right = (_random_frame(dimension, len(parts.singular), random) for _ in range(2))
    return Factors(left, parts.singular, right)


def _random_frame(
    dimension: int, columns: int, random: np.random.Generator
) -> Float[np.ndarray, "d columns"]:
    """Orthonormal columns of uniformly random directions."""
    frame, triangle = np.linalg.qr(random.standard_normal((dimension, columns)))
    return frame * np.sign(np.diagonal(triangle))


def _with_null(
    output: Float[np.ndarray, "d inner"],
    value: Float[np.ndarray, "inner d"],
    draws: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, list[np.ndarray], int]:
    parts = factors(output, value)
    dimension = len(output) - mean_free(output)
    null = [statistics(random_factors(parts, dimension, random)) for _ in range(draws)]
    return statistics(parts), null, len(parts.singular)
