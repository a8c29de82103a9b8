"""Where the norm sits: how fast a token turns and how its length grows under each scheme of 2510.22026."""

from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sim.operators import number

Scheme = Literal["post", "pre", "peri", "mix", "ngpt", "sqrt"]
Rate = Float[Array, ""] | Callable[[Array], ArrayLike]

SCHEMES = ("post", "pre", "peri", "mix", "ngpt", "sqrt")
GROWING = ("pre", "peri", "mix")


def rates(
    norm: Scheme,
    t: Float[Array, ""],
    radii: Float[Array, " n"],
    along: Float[Array, " n"],
    length: Float[Array, " n"],
    tau: Float[Array, ""] | None,
    alpha: Rate | None,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """1/s_i and r_i' of tokens x_i = r_i theta_i for which attention writes A_i.

    They turn by theta_i' = P_i A_i / s_i, where P_i projects off theta_i, and

        norm     layer                              s_i           r_i'
        post     x <- LN(x + A(x))                  1             0
        pre      x <- x + A(LN x)                   r_i           <theta_i, A_i>
        peri     x <- x + LN(A(LN x))               r_i |A_i|     <theta_i, A_i> / |A_i|
        mix      post while t <= tau, then pre      1, then r_i   0, then <theta_i, A_i>
        ngpt     x <- LN(x + alpha (LN(A) - x))     |A_i|/alpha   0
        sqrt     x <- LN(x + A(x) / sqrt(layer))    sqrt(t)       0

    Arguments
    ---------
    radii: r_i > 0, read by pre, peri and mix. along, length: <theta_i, A_i> and |A_i|. t: time, read by mix, sqrt
        and a variable alpha; sqrt needs t > 0. tau, alpha: as `checked_scheme` returns them.

    Source: 2510.22026; s_i of sqrt is deduced from its rates there, and r_i' follows from the layer.
    """
    one, zero = jnp.ones_like(along), jnp.zeros_like(along)
    if norm == "pre":
        return 1 / radii, along
    if norm == "peri":
        return 1 / (radii * length), along / length
    if norm == "mix" and tau is not None:
        early = t <= tau
        return jnp.where(early, one, 1 / radii), jnp.where(early, zero, along)
    if norm == "ngpt":
        return jnp.asarray(alpha(t) if callable(alpha) else alpha, along.dtype) / length, zero
    return (one / jnp.sqrt(t) if norm == "sqrt" else one), zero


def checked_scheme(
    norm: str, tau: ArrayLike | None, alpha: ArrayLike | Callable[[Array], ArrayLike] | None
) -> tuple[Scheme, Float[Array, ""] | None, Rate | None]:
    """The scheme with its parameters as arrays; ValueError where they do not belong to it or are out of range."""
    if norm not in SCHEMES:
        raise ValueError(f"norm must be one of {', '.join(SCHEMES)}, got {norm!r}")
    for name, value, scheme in (("tau", tau, "mix"), ("alpha", alpha, "ngpt")):
        if (value is not None) != (norm == scheme):
            raise ValueError(
                f"{name} belongs to norm={scheme!r} and to no other, got {name}={value} with norm={norm!r}: "
                f"{'give it' if value is None else 'leave it out'}"
            )
    if tau is not None:
        tau = number("tau", tau, "finite")
    if alpha is not None and not callable(alpha):
        alpha = number("alpha", alpha, "finite and above 0")
    return norm, tau, alpha  # pyright: ignore[reportReturnType]  narrowed by the membership above
