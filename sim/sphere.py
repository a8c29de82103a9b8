"""Points on the unit sphere S^(d-1): where simulations start."""

from numbers import Integral

import numpy as np
from jaxtyping import Float
from scipy.special import betainc, betaincinv

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
"""An array of two axes, also to a type checker, which does not read shapes."""


def normalise(vectors: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch d"]:
    """Rows divided by their lengths."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def real_array(name: str, values: object) -> Float[np.ndarray, "..."]:
    """`values` in float64. Raises ValueError for what is no array of real numbers: rows of several lengths, words."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "cSU":
            raise ValueError(f"these are {'complex' if array.dtype.kind == 'c' else 'words'}")
        return np.asarray(array, np.float64)
    except (TypeError, ValueError) as error:
        reason = str(error).partition(". ")[0]
        raise ValueError(f"{name} must be real numbers: {reason}") from error


def real_number(name: str, value: object) -> float:
    """`value` as a float. Raises ValueError for what is no single real number."""
    array = real_array(name, value)
    if array.ndim:
        raise ValueError(f"{name} must be one number, got shape {array.shape}")
    return float(array)


def _check_size(n: int, d: int) -> None:
    if not (isinstance(n, Integral) and isinstance(d, Integral)):
        raise ValueError(f"numbers of points and dimensions must be whole, got {n!r} and {d!r}")
    if n < 1:
        raise ValueError(f"need at least 1 point, got n = {n}")
    if d < 2:
        raise ValueError(f"the sphere needs at least 2 dimensions, got d = {d}")


def uniform(n: int, d: int, seed: int = 0) -> Float[Matrix, "n d"]:
    """`n` independent points, uniform on S^(d-1): the initial law of 2312.10794 and 2410.06833.

    Returns (n, d) float64 unit rows; the same seed gives the same points. Raises ValueError for n < 1 or d < 2.

    >>> import sim
    >>> points = sim.uniform(4, 3, seed=1)
    >>> points.shape, bool((points == sim.uniform(4, 3, seed=1)).all())
    ((4, 3), True)
    """
    _check_size(n, d)
    return normalise(np.random.default_rng(seed).standard_normal((n, d)))


def caps(centres: Float[np.ndarray, "k d"], per_cap: int, eps: float, seed: int = 0) -> Float[Matrix, "n d"]:
    """`per_cap` points, uniform in each spherical cap {x : <x, w> >= 1 - eps} around each centre w.

    The start of Theorem 1.2 of 2410.06833, where eps is the cap's height 1 - cos(its angle), 0 <= eps < 2.
    Points of one cap stand next to each other. Sampling of the height is exact, by inverting its law.

    Arguments: centres (k, d) unit rows. Returns (k * per_cap, d) float64 unit rows.
    Raises ValueError for centres off the sphere, per_cap < 1 or eps outside [0, 2).

    >>> import numpy as np
    >>> import sim
    >>> points = sim.caps(np.eye(3), per_cap=5, eps=0.01)
    >>> points.shape, bool(((points @ np.eye(3)).max(axis=1) >= 0.99).all())
    ((15, 3), True)
    """
    centres = np.asarray(centres, np.float64)
    if centres.ndim != 2 or not np.allclose(np.linalg.norm(centres, axis=-1), 1, atol=1e-6):
        raise ValueError("centres must be a (k, d) array of unit rows: divide each row by its length")
    d = centres.shape[1]
    _check_size(per_cap, d)
    if not 0 <= eps < 2:
        raise ValueError(f"eps is a height 1 - cos(angle) in [0, 2), got {eps}")
    random = np.random.default_rng(seed)
    axes = np.repeat(centres, per_cap, axis=0)
    height = _cap_heights(random.uniform(size=len(axes)), eps, d)
    sideways = random.standard_normal(axes.shape)
    sideways = normalise(sideways - np.sum(sideways * axes, axis=-1, keepdims=True) * axes)
    radius = np.sqrt(height * (2 - height))
    return normalise((1 - height)[:, None] * axes + radius[:, None] * sideways)


def _cap_heights(share: np.ndarray, eps: float, d: int) -> np.ndarray:
    """Heights h in [0, eps] with density proportional to (h (2 - h))^((d - 3) / 2): h / 2 is a cut-off Beta law."""
    shape = (d - 1) / 2
    return 2 * betaincinv(shape, shape, share * betainc(shape, shape, eps / 2))


def simplex(n: int, d: int) -> Float[Matrix, "n d"]:
    """`n` points on S^(d-1) at equal and largest mutual angles, cos = -1 / (n - 1); needs n <= d + 1.

    A stationary point of SA and USA for every beta. Raises ValueError where n > d + 1.

    >>> import sim
    >>> points = sim.simplex(4, 3)
    >>> round(float(points[0] @ points[1]), 4)
    -0.3333
    """
    _check_size(n, d)
    if n > d + 1:
        raise ValueError(f"a simplex of {n} points needs d >= {n - 1}, got d = {d}")
    if n == 1:
        return np.eye(1, d)
    centred = np.eye(n) - 1 / n
    axes = np.linalg.svd(centred)[0][:, : n - 1]
    return normalise(np.pad(axes, ((0, 0), (0, d - n + 1))))


def ring(n: int) -> Float[Matrix, "n 2"]:
    """`n` points at equal angles 2 pi j / n on the circle: a saddle of SA and USA for every beta > 0.

    >>> import sim
    >>> points = sim.ring(4)
    >>> round(float(points[0] @ points[2]), 4), abs(round(float(points[0] @ points[1]), 4))
    (-1.0, 0.0)
    """
    _check_size(n, 2)
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)
