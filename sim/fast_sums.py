"""Sums over all pairs of many tokens on the circle and on S^2, by non-uniform fast Fourier and harmonic transforms.

The kernel e^(beta (cos - 1)) is a series of harmonics with positive coefficients that end, to rounding, at a degree of
about 8.6 sqrt(beta). One transform takes the masses to the harmonics, one takes these back to the tokens.
"""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from scipy.special import ive

LEAST_COEFFICIENT = 1e-17
MOST_DEGREE = {2: 2_000_000, 3: 4_000}
"""Dimension -> largest degree: as much memory as a million tokens take."""


class Sums(NamedTuple):
    """Of each token: sum_j m_j e^(beta (cos_ij - 1)), and its gradient over beta, the pull of USA."""

    weight: Float[np.ndarray, " n"]
    pull: Float[np.ndarray, "n d"]


def sums(d: int, beta: float) -> Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]], Sums]:
    """The function (unit points, masses) -> `Sums` for tokens on S^(d-1), d = 2 or 3, on one thread.

    Their error is absolute, some 1e-14 on the circle and some 1e-13 on S^2 where masses sum to 1, growing as
    sqrt(beta): a pull below that is lost, and with it every motion of clusters that are further apart than
    beta (1 - cos) of about 30. Cost: O(n + K log K) on the circle, O(n + K^3) on S^2, K about 8.6 sqrt(beta).

    Raises ValueError for another d, for a beta whose harmonics need more memory than a million tokens, and where the
    library of the transforms is missing.
    """
    if d not in MOST_DEGREE:
        raise ValueError(f"fast sums are for d = 2 and 3, got d = {d}: use sim.simulate")
    transforms = _library()
    degree = _last_degree(d, beta)
    if d == 2:
        return lambda points, masses: _on_circle(transforms, beta, degree, points, masses)
    return lambda points, masses: _on_sphere(transforms, beta, degree, points, masses)


def direct_sums(
    beta: float,
    of: Float[np.ndarray, "m d"],
    points: Float[np.ndarray, "n d"],
    masses: Float[np.ndarray, " n"],
) -> Sums:
    """The same sums at the points `of`, term by term from differences, O(m n): what the fast ones are held against."""
    weight, pull = np.empty(len(of)), np.empty(of.shape)
    for row, point in enumerate(of):
        apart = points - point
        weights = masses * np.exp(-beta / 2 * np.sum(apart**2, axis=1))
        weight[row] = weights.sum()
        pull[row] = weights @ apart
    return Sums(weight, pull - np.sum(pull * of, axis=1, keepdims=True) * of)


def _library() -> ModuleType:
    try:
        import ducc0
    except ImportError as error:
        raise ValueError(
            'fast sums need the package ducc0, which is not installed: pip install "metasphere[meanfield]"'
        ) from error
    return ducc0


@cache
def _coefficients(d: int, beta: float, degrees: int) -> Float[np.ndarray, " degree"]:
    """e^(-beta) I_k(beta) for d = 2, e^(-beta) times the modified spherical Bessel function for d = 3, from k = 0."""
    k = np.arange(degrees)
    if beta == 0:
        return (k == 0).astype(float)
    return ive(k, beta) if d == 2 else np.sqrt(np.pi / (2 * beta)) * ive(k + 0.5, beta)


def _last_degree(d: int, beta: float) -> int:
    """The degree from which on all coefficients are below rounding, times a margin; one more than that is needed."""
    if not 0 <= beta < np.inf:
        raise ValueError(f"beta must be finite and at least 0, got {beta}")
    enough = 40 + int(np.ceil(12 * np.sqrt(beta)))
    if enough > MOST_DEGREE[d]:
        raise ValueError(
            f"beta = {beta:g} needs {enough:,} degrees of harmonics for d = {d}, of {MOST_DEGREE[d]:,} at most: "
            "use sim.simulate, or sim.coalesce from the first clusters on"
        )
    return int(np.flatnonzero(_coefficients(d, beta, enough) > LEAST_COEFFICIENT)[-1]) + 1


def _over_beta(d: int, beta: float, degree: int) -> Float[np.ndarray, " degree"]:
    """The coefficients over beta, on the circle times their degree: by recurrence, so that beta may be 0."""
    around = _coefficients(d, beta, degree + 2)
    before, after = np.append(0.0, around[:-2]), around[1:]
    return (before - after) / 2 if d == 2 else (before - after) / (2 * np.arange(degree + 1) + 1)


def _on_circle(
    transforms: ModuleType,
    beta: float,
    degree: int,
    points: Float[np.ndarray, "n 2"],
    masses: Float[np.ndarray, " n"],
) -> Sums:
    """With c_k = sum_j m_j e^(-i k theta_j): sum_k I_k c_k e^(i k theta), and of the pull i k I_k c_k / beta."""
    angles = np.ascontiguousarray(np.arctan2(points[:, 1], points[:, 0])[:, None])
    common = {"coord": angles, "epsilon": 1e-14, "nthreads": 1, "periodicity": 2 * np.pi, "fft_order": False}
    k = np.arange(-degree, degree + 1)
    modes = np.zeros(len(k), complex)
    modes = transforms.nufft.nu2u(points=masses.astype(complex), forward=True, out=modes, **common)

    def at_tokens(coefficients: Complex[np.ndarray, " mode"]) -> Float[np.ndarray, " n"]:
        return transforms.nufft.u2nu(grid=coefficients * modes, forward=False, **common).real

    weights = _coefficients(2, beta, degree + 1)[np.abs(k)].astype(complex)
    speed = at_tokens(1j * np.sign(k) * _over_beta(2, beta, degree)[np.abs(k)])
    along = np.stack((-points[:, 1], points[:, 0]), axis=1)
    return Sums(at_tokens(weights), speed[:, None] * along)


def _on_sphere(
    transforms: ModuleType,
    beta: float,
    degree: int,
    points: Float[np.ndarray, "n 3"],
    masses: Float[np.ndarray, " n"],
) -> Sums:
    """By the addition theorem: 4 pi i_l(beta) times the harmonics of the masses, and their gradient over beta."""
    colatitude = np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])
    longitude = np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi)
    place = np.stack((colatitude, longitude), axis=1)
    common = {"lmax": degree, "loc": place, "epsilon": 3e-13, "nthreads": 1}
    harmonics = transforms.sht.adjoint_synthesis_general(map=masses[None], spin=0, **common)
    degrees = np.concatenate([np.arange(order, degree + 1) for order in range(degree + 1)])

    def scaled(coefficients: Float[np.ndarray, " degree"]) -> Complex[np.ndarray, "1 harmonic"]:
        return 4 * np.pi * coefficients[degrees] * harmonics

    weight = transforms.sht.synthesis_general(
        alm=scaled(_coefficients(3, beta, degree + 1)), spin=0, **common
    )
    south, east = transforms.sht.synthesis_general(
        alm=scaled(_over_beta(3, beta, degree)), spin=1, mode="DERIV1", **common
    )
    (cos, sin), (cosine, sine) = ((np.cos(angle), np.sin(angle)) for angle in (colatitude, longitude))
    to_south = np.stack((cos * cosine, cos * sine, -sin), axis=1)
    to_east = np.stack((-sine, cosine, np.zeros(len(sine))), axis=1)
    return Sums(weight[0], south[:, None] * to_south + east[:, None] * to_east)
