"""Attention as a flow, many runs at a time, to the accuracy that rounding to half precision leaves."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float
from scipy.integrate import solve_ivp

from sim.sphere import normalise

TOLERANCE = 1e-6


def flow(
    starts: Float[np.ndarray, "run token d"],
    times: Float[np.ndarray, " depth"],
    beta: ArrayLike,
    kind: str = "SA",
    causal: bool = False,
    value: float = 1.0,
) -> Float[np.ndarray, "run depth token d"]:
    """Tokens at `times` under SA or USA (clock of 2410.06833) with Q = K = I and V = `value` times I.

    All runs take the same adaptive steps of SciPy's DOP853 at a relative tolerance of 1e-6, which is far below the 4e-3
    of bfloat16. `sim.simulate` is the accurate way, for one run at a time and a compilation for each shape.

    Arguments: starts, unit rows; times, increasing, the first one is that of the starts; beta, one number or one a run.
    Returns unit rows. Raises ValueError for another kind than "SA" and "USA".
    Cost: O(run n^2 d) an evaluation, some thousand evaluations.
    """
    if kind not in ("SA", "USA"):
        raise ValueError(f'kind must be "SA" or "USA", got {kind!r}')
    shape = starts.shape
    inverse_temperature = np.broadcast_to(np.asarray(beta, np.float64), shape[0])[:, None, None]
    seen = np.tri(shape[1], dtype=bool) if causal else np.ones((shape[1], shape[1]), bool)

    def velocity(time: float, state: np.ndarray) -> np.ndarray:
        del time
        x = normalise(state.reshape(shape))
        weights = np.exp(inverse_temperature * (x @ x.swapaxes(1, 2) - 1)) * seen
        scale = weights.sum(axis=2, keepdims=True) if kind == "SA" else shape[1]
        pull = value * (weights @ x) / scale
        return (pull - np.sum(pull * x, axis=2, keepdims=True) * x).ravel()

    solved = solve_ivp(
        velocity,
        (times[0], times[-1]),
        starts.ravel(),
        method="DOP853",
        t_eval=times,
        rtol=TOLERANCE,
        atol=TOLERANCE / 100,
    )
    states = solved.y.T.reshape(len(times), *shape)
    return normalise(np.moveaxis(states, 0, 1))
