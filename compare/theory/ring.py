"""A ring of equal clusters on the circle: a rest point, and how fast it is left."""

import numpy as np

from compare.theory.circle import pull_slope
from compare.theory.domain import Numbers, Reals, dynamics, inverse_temperature


def escape_rates(count: int, beta: Numbers, kind: str = "SA", clock: str = "metastability") -> Reals:
    """Growth rates mu_p of all modes p = 1..K-1 of K equal clusters at angles 2 pi l/K.

    With h'(x) = (cos x - beta sin^2 x) e^(beta (cos x - 1)),

        USA: mu_p = (1/K) sum_l h'(2 pi l/K) (cos(2 pi l p/K) - 1);    SA: over (1/K) sum_l e^(beta (cos(2 pi l/K)-1)).

    Mode p moves cluster l by cos or sin of 2 pi l p/K, so modes p and K - p share a rate. A positive rate is an
    escape. For SA and K = 2 it is 1 - tanh(beta). Linearised here from the equations of 2312.10794.

    count: K >= 2. beta: finite, >= 0, any shape. kind, clock: as `gamma_time`.
    Returns rates of shape (*beta, K - 1). Raises ValueError outside these domains.

    >>> import numpy as np
    >>> from compare import theory
    >>> theory.escape_rates(2, 1.0).round(4).tolist(), round(float(1 - np.tanh(1.0)), 4)
    ([0.2384], 0.2384)
    >>> theory.escape_rates(4, 9.0).round(5).tolist()
    [0.00222, 0.00444, 0.00222]
    """
    dynamics(kind, clock)
    if count < 2:
        raise ValueError(f"count must be at least 2 clusters, got {count}")
    beta = np.asarray(inverse_temperature(beta))[..., None]
    place = np.arange(count)
    angles = 2 * np.pi * place / count
    modes = -2 * np.sin(np.pi * np.outer(place, place[1:]) / count) ** 2
    rates = pull_slope(angles, beta) @ modes / count
    if kind == "SA":
        return rates / np.exp(-2 * beta * np.sin(angles / 2) ** 2).mean(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        return rates * np.exp(beta) if clock == "survey" else rates


def escape_rate(
    count: int, beta: Numbers, kind: str = "SA", mode: int | None = None, clock: str = "metastability"
) -> Reals:
    """The rate of one `mode` in 1..K-1 of `escape_rates`, or of the fastest where mode is None.

    At K = sqrt(2 beta), the ring that a uniform start makes, the fastest SA rate tends to 4 (2 pi^2 - 1) e^(-pi^2) =
    0.003877 as beta grows: such a ring lives for about 258 units of time, not exponentially long in beta.
    Arguments and errors as `escape_rates`. Returns rates of the shape of beta.

    >>> import numpy as np
    >>> from compare import theory
    >>> float(round(4 * (2 * np.pi**2 - 1) * np.exp(-(np.pi**2)), 6))
    0.003877
    >>> round(float(theory.escape_rate(1000, 5e5)), 6)
    0.003877
    """
    if mode is not None and not 1 <= mode < count:
        raise ValueError(f"mode must be in 1..{count - 1} for {count} clusters, got {mode}")
    rates = np.asarray(escape_rates(count, beta, kind, clock))
    return np.max(rates, axis=-1) if mode is None else rates[..., mode - 1]
