"""The pull h(x) = e^(beta (cos x - 1)) sin x between two tokens at angle x on the circle."""

import numpy as np

from compare.theory.domain import Numbers, Reals, inverse_temperature, real


def pull(angle: Numbers, beta: Numbers) -> Reals:
    """h(x) = e^(beta (cos x - 1)) sin x. angle: finite radians. beta: finite, >= 0. They broadcast.

    >>> from compare import theory
    >>> theory.pull([0.1, theory.pull_peak(9.0), 1.0], 9.0).round(3).tolist()
    [0.095, 0.199, 0.013]
    """
    x, beta = real("angle", angle, np.isfinite, "finite"), inverse_temperature(beta)
    return np.exp(-2 * beta * np.sin(x / 2) ** 2) * np.sin(x)


def pull_slope(angle: Numbers, beta: Numbers) -> Reals:
    """h'(x) = (cos x - beta sin^2 x) e^(beta (cos x - 1)). Arguments as `pull`.

    >>> from compare import theory
    >>> theory.pull_slope([0.1, 1.0], 9.0).round(3).tolist()
    [0.866, -0.093]
    >>> abs(round(float(theory.pull_slope(theory.pull_peak(9.0), 9.0)), 12))
    0.0
    """
    x, beta = real("angle", angle, np.isfinite, "finite"), inverse_temperature(beta)
    return np.exp(-2 * beta * np.sin(x / 2) ** 2) * (np.cos(x) - beta * np.sin(x) ** 2)


def pull_peak(beta: Numbers) -> Reals:
    """The angle at which h is largest, arccos((sqrt(4 beta^2 + 1) - 1)/(2 beta)): about beta^(-1/2) (2411.04990).

    Tokens closer than this angle are drawn the less the closer they are. Returns radians in (0, pi/2]; pi/2 at
    beta = 0. Computed without the cancellation of the printed form. beta: finite, >= 0.

    >>> from compare import theory
    >>> (theory.pull_peak([1.0, 100.0, 1e4]) * [1.0, 10.0, 100.0]).round(4).tolist()
    [0.9046, 0.9992, 1.0]
    """
    beta = inverse_temperature(beta)
    square = 2 / (1 + np.sqrt(4 * beta**2 + 1))
    return np.arctan2(np.sqrt(square), beta * square)
