"""What the closed forms accept: each check returns float64, or raises ValueError with one line."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

Numbers = float | int | np.number | np.ndarray | Sequence[float | int] | Sequence[Sequence[float | int]]
"""What goes in: one number, an array, or nested lists of numbers."""

Array = Float[np.ndarray, "..."]

Reals = Array | np.float64
"""Real numbers of any shape: an array, or one NumPy number where all arguments were numbers."""


def real(name: str, value: Numbers, accept: Callable[[Array], Any], rule: str) -> Array:
    """`value` as float64, all finite and accepted; `rule` says in words what is accepted."""
    array = np.asarray(value, np.float64)
    accepted = np.isfinite(array) & accept(array)
    if not accepted.all():
        offender = np.broadcast_to(array, accepted.shape)[~accepted][0]
        raise ValueError(f"{name} must be {rule}, got {offender:g}")
    return array


def inverse_temperature(beta: Numbers) -> Array:
    """beta >= 0, the factor in softmax(beta <x, y>)."""
    return real("beta", beta, lambda b: b >= 0, "finite and at least 0")


def tokens(n: Numbers) -> Array:
    """n >= 2 tokens (or equal clusters)."""
    return real("n", n, lambda count: count >= 2, "a number of tokens of at least 2")


def dimension(d: Numbers) -> Array:
    """d >= 2, of the space around the sphere S^(d-1)."""
    return real("d", d, lambda size: (size >= 2) & (size == np.floor(size)), "a whole number of at least 2")


def positive(name: str, value: Numbers) -> Array:
    """A finite number above 0."""
    return real(name, value, lambda number: number > 0, "finite and above 0")


def angle(name: str, value: Numbers) -> Array:
    """An angle in radians, strictly between 0 and pi."""
    return real(
        name, value, lambda theta: (theta > 0) & (theta < np.pi), "an angle strictly between 0 and pi"
    )


def mass_pair(masses: tuple[Numbers, Numbers]) -> tuple[Array, Array]:
    """Two positive masses whose sum is at most 1, the mass of all tokens together."""
    if not hasattr(masses, "__len__") or len(masses) != 2:
        raise ValueError(
            f"masses must be two, of the two clusters, got {masses!r}: merge the others into them"
        )
    first, second = positive("each mass", masses[0]), positive("each mass", masses[1])
    real("the sum of both masses", first + second, lambda total: total <= 1 + 1e-9, "at most 1")
    return first, second


def option(name: str, value: str, options: Collection[str]) -> None:
    """`value` is one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def dynamics(kind: str, clock: str) -> None:
    """`kind` is SA or USA; `clock` is metastability (2410.06833) or survey (2312.10794)."""
    option("kind", kind, ("SA", "USA"))
    option("clock", clock, ("metastability", "survey"))
