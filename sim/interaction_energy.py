"""Interaction energy of tokens on the sphere, its gradient, and the rate at which attention raises it."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sim.attention import Attention, checked_masses
from sim.kernel import by_tiles
from sim.operators import number
from sim.precision import require_64_bit


def energy(points: ArrayLike, beta: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "*depth"]:
    """Interaction energy E1 = sum_ij m_i m_j e^(beta (<x_i, x_j> - 1)): 1 where all tokens coincide.

    For K tight clusters far apart it is the sum of their squared masses. SA and USA never lower it. It is 2 beta
    times the energy of 2410.06833, Section 1, and 2 beta e^(-beta) times that of 2312.10794 (1 / (2 beta n^2)
    sum_ij e^(beta <x_i, x_j>)); the staircase of 2410.06833, Theorem 6.4, is non-empty for E1 only, since the
    other one vanishes uniformly as beta grows. Exponents are -beta |x_i - x_j|^2 / 2, so 1 - E1 keeps its digits.

    Arguments: points (n, d) or (depth, n, d), unit rows; beta >= 0 (at 0, E1 = 1); masses (n,), summing to 1,
    uniform where None. Returns a scalar or (depth,), in (0, 1]. Differentiable in all three.
    Raises ValueError where shapes disagree, beta is negative, or JAX computes in 32 bits.
    Cost: O(n^2 d) time a depth, O(n d) memory beyond tiles of 8 MB.

    >>> import numpy as np
    >>> import sim
    >>> round(float(sim.energy(np.eye(3), beta=50.0)), 4)  # three clusters, each a third of the mass
    0.3333
    """
    require_64_bit()
    points = jnp.asarray(points, float)
    if points.ndim not in (2, 3) or 0 in points.shape:
        raise ValueError(
            f"points must have shape (n, d) or (depth, n, d), with a point or more, got {points.shape}"
        )
    return _energy(
        points,
        number("beta", beta, "finite and at least 0"),
        checked_masses(masses, points.shape[-2], points.dtype),
    )


@jax.jit
def _energy(
    points: Float[Array, "*depth n d"], beta: Float[Array, ""], masses: Float[Array, " n"]
) -> Float[Array, "*depth"]:
    if points.ndim == 3:
        return jax.lax.map(lambda x: _energy(x, beta, masses), points)
    return jnp.sum(masses * _partition(points, beta, masses))


def _partition(
    x: Float[Array, "n d"], beta: Float[Array, ""], masses: Float[Array, " n"]
) -> Float[Array, " n"]:
    """z_i = sum_j m_j e^(beta (<x_i, x_j> - 1))."""

    def of_token(i: Int[Array, ""]) -> Float[Array, ""]:
        half_chords = jnp.sum((x - x[i][None]) ** 2, axis=-1) / 2
        return jnp.sum(masses * jnp.exp(-beta * half_chords))

    return by_tiles(of_token, *x.shape)


def gradient(points: ArrayLike, beta: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, "n d"]:
    """Riemannian gradient of E1: row i is 2 beta m_i sum_j m_j e^(beta (<x_i, x_j> - 1)) P_i x_j.

    That is 2 beta m_i times the velocity of USA on the metastability clock. Rows are orthogonal to the points, and
    keep their digits where the gradient is as small as e^(-beta (1 - cos)).
    Arguments and errors as in `energy`, for one depth. Returns (n, d).
    """
    require_64_bit()
    points = jnp.asarray(points, float)
    masses = checked_masses(masses, points.shape[0], points.dtype)
    usa = Attention(beta, "USA")
    return 2 * usa.beta * masses[:, None] * usa.velocity(points, masses)


def dissipation(field: Attention, points: ArrayLike, masses: ArrayLike | None = None) -> Float[Array, ""]:
    """dE1/dt along SA or USA, as a weighted sum of squared speeds, hence never negative:

    SA: 2 beta sum_i m_i z_i |x_i'|^2 with z_i = sum_j m_j e^(beta (<x_i, x_j> - 1)); USA: 2 beta sum_i m_i |x_i'|^2 on
    the metastability clock, e^(-beta) times that on the survey's. SA is the gradient flow of E1 for the metric
    that weighs token i by m_i z_i (2312.10794, Section 3.4), USA for the one that weighs it by m_i.

    Raises ValueError where E1 need not grow: learned operators, several heads or a causal mask.
    """
    require_64_bit(field)
    if field.causal or field.operators:
        raise ValueError(
            "this identity holds for SA and USA with Q = K = V = I and no mask: give such a field"
        )
    points = jnp.asarray(points, float)
    masses = checked_masses(masses, points.shape[0], points.dtype)
    squared_speeds = jnp.sum(field.velocity(points, masses) ** 2, axis=-1)
    if field.kind == "SA":
        weight = _partition(points, field.beta, masses)
    else:
        weight = jnp.exp(-field.beta) if field.clock == "survey" else 1.0
    return 2 * field.beta * jnp.sum(masses * weight * squared_speeds)
