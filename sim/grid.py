"""Simulations over a grid of beta, d, n, kind and seed, each reduced to a few numbers a time, as one labelled table."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sim.attention import Attention, checked_masses
from sim.integration import integrate
from sim.interaction_energy import energy
from sim.precision import require_64_bit
from sim.sphere import uniform

Axis = float | str | Sequence[float | str] | np.ndarray
"""One value of an axis, or several."""

Observation = Mapping[str, Float[Array, ""]]
Observe = Callable[[Float[Array, "n d"], Float[Array, ""]], Observation]

_AXES = {
    "kind": "dynamics",
    "n": "number of tokens",
    "d": "dimension: the sphere is S^(d-1)",
    "beta": "inverse temperature",
    "seed": "seed of the start",
}


def mean_cosine_and_energy(x: Float[Array, "n d"], beta: Float[Array, ""]) -> Observation:
    """What `sweep` records where nothing else is asked: the mean cosine of two tokens, and E1 at the run's own beta."""
    n = len(x)
    return {
        "mean_cosine": (jnp.sum(jnp.sum(x, axis=0) ** 2) - n) / (n * (n - 1)),
        "energy": energy(x, beta),
    }


def sweep(
    grid: Mapping[str, Axis],
    times: ArrayLike | Sequence[float | int],
    observe: Observe = mean_cosine_and_energy,
    *,
    start: Callable[[int, int, int], Float[np.ndarray, "n d"]] = uniform,
    causal: bool = False,
    rtol: float = 1e-8,
    atol: float = 1e-11,
    max_steps: int = 100_000,
) -> xr.Dataset:
    """Simulate every point of a grid and record `observe` at `times`: what `simulate` does, many times.

    All tokens have equal mass. Runs of one beta go side by side and those of different beta after each other, as
    adaptive runs that share their steps are as slow as the slowest. Where d > n the run takes place in the n
    dimensions that the start spans: attention with Q = K = V = I never leaves them, so this is exact, and d = 1024
    costs what d = n does. Then also `observe` sees n coordinates, so it must not depend on a rotation.

    Arguments
    ---------
    grid: values of the axes ``beta`` (>= 0), ``d`` (>= 2), ``n`` (>= 2), ``kind`` ("SA", "USA"; "SA" where not
        given) and ``seed`` (0 where not given); one value or a list of different ones each.
    times: strictly increasing; the first one is the time of the start.
    observe: (x, beta) -> {name: number}, traceable by JAX, of the (n, min(n, d)) unit rows x at one time.
    start: (n, d, seed) -> (n, d) unit rows.
    causal: token i sees only j <= i.
    rtol, atol, max_steps: as in `simulate`, for each run.

    Returns a data set of the observed names with dimensions (kind, n, d, beta, seed, time), and ``reached`` (kind, n,
    d, beta, seed), the last time of the solver. Observations of times after it, where max_steps ran out, are NaN.
    Raises ValueError for an unknown axis or a bad value of one, times out of order, and 32-bit JAX.
    Cost: of the sum of its runs, on a CPU; one compilation for each (kind, n, min(n, d)). Memory: (seed, time, n,
    min(n, d)) numbers.
    """
    require_64_bit()
    axes = _checked_axes(grid)
    moments = np.asarray(times, np.float64)
    if moments.ndim != 1 or len(moments) < 2 or not np.all(np.diff(moments) > 0):
        raise ValueError(
            "times must be at least two numbers, strictly increasing: sort them and drop repeats"
        )
    betas, seeds = np.asarray(axes["beta"], np.float64), axes["seed"]
    shape = tuple(len(axes[name]) for name in _AXES)
    parts: dict[tuple[str, int, int], dict[str, np.ndarray]] = {}
    for kind, n in product(axes["kind"], axes["n"]):
        for span in {min(n, d) for d in axes["d"]}:
            same = [d for d in axes["d"] if min(n, d) == span]
            starts = np.stack([_spanned(start(n, d, seed)) for d in same for seed in seeds])
            starts = np.repeat(starts.reshape(len(same), 1, len(seeds), n, span), len(betas), axis=1)
            each_beta = np.broadcast_to(betas[:, None], starts.shape[:3])
            run = _runner(kind, causal, observe, moments, (rtol, atol, max_steps))
            points = jnp.asarray(each_beta.reshape(-1)), jnp.asarray(starts.reshape(-1, n, span))
            observed = jax.lax.map(run, points, batch_size=len(seeds))
            rows = {
                name: np.asarray(v).reshape(*starts.shape[:3], *v.shape[1:]) for name, v in observed.items()
            }
            parts |= {(kind, n, d): {k: v[row] for k, v in rows.items()} for row, d in enumerate(same)}
    order = list(product(axes["kind"], axes["n"], axes["d"]))
    tables = {name: np.stack([parts[key][name] for key in order]) for name in parts[order[0]]}
    reached = tables.pop("reached").reshape(shape)
    variables = {
        name: ((*_AXES, "time"), values.reshape(*shape, len(moments))) for name, values in tables.items()
    }
    coords = {name: (name, list(axes[name]), {"long_name": meaning}) for name, meaning in _AXES.items()}
    return xr.Dataset(
        {
            **variables,
            "reached": (tuple(_AXES), reached, {"long_name": "last time of the solver"}),
        },
        coords={**coords, "time": ("time", moments, {"long_name": "time t of the dynamics", "units": "1"})},
        attrs={"causal": int(causal), "rtol": rtol, "atol": atol},
    )


def _checked_axes(grid: Mapping[str, Axis]) -> dict[str, tuple[Any, ...]]:
    filled = {"kind": "SA", "seed": 0, **grid}
    if set(filled) != set(_AXES):
        raise ValueError(f"grid must have the axes beta, d, n and may have kind, seed; got {', '.join(grid)}")
    axes = {name: tuple(np.atleast_1d(filled[name]).tolist()) for name in _AXES}
    for name, values in axes.items():
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name} must be a list of different values, got {list(values)}: drop repeats")
    for name, least in (("n", 2), ("d", 2), ("seed", 0)):
        if any(value != int(value) or value < least for value in axes[name]):
            raise ValueError(f"{name} must be whole numbers of at least {least}, got {list(axes[name])}")
    for beta, kind in product(axes["beta"], axes["kind"]):
        Attention(beta, kind)
    return axes


def _spanned(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n _d"]:
    """The rows in coordinates of the space that they span, where that has fewer dimensions."""
    n, d = x.shape
    return x if d <= n else np.linalg.qr(x.T)[1].T


def _runner(
    kind: str,
    causal: bool,
    observe: Observe,
    times: Float[np.ndarray, " time"],
    solver: tuple[float, float, int],
) -> Callable[[tuple[Float[Array, ""], Float[Array, "n d"]]], dict[str, Array]]:
    """The function from beta and a start to the observations at all times, NaN where not reached."""
    rtol, atol, max_steps = solver

    def run(point: tuple[Float[Array, ""], Float[Array, "n d"]]) -> dict[str, Array]:
        beta, x0 = point
        masses = checked_masses(None, len(x0), x0.dtype)
        ended = integrate(
            Attention(beta, kind, causal),
            x0,
            masses,
            jnp.asarray(times),
            jnp.asarray(rtol),
            jnp.asarray(atol),
            max_steps,
        )
        states = ended.states.at[0].set(x0)
        on_sphere = states / jnp.linalg.norm(states, axis=-1, keepdims=True)
        there = jnp.all(jnp.isfinite(states), axis=(1, 2))
        observed = jax.lax.map(lambda x: dict(observe(x, beta)), on_sphere)
        return {k: jnp.where(there, v, jnp.nan) for k, v in observed.items()} | {"reached": ended.reached}

    return run
