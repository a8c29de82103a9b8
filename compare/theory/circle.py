"""The pull h(x) = e^(beta (cos x - 1)) sin x between two tokens at angle x on the circle."""

import numpy as np

from compare.theory.domain import Numbers, Reals, inverse_temperature, real


def pull(angle: Numbers, beta: Numbers) -> Reals:
    """h(x) = e^(beta (cos x - 1)) sin x. angle: finite radians. beta: finite, >= 0. They broadcast."""
    x, beta = real("angle", angle, np.isfinite, "finite"), inverse_temperature(beta)
    return np.exp(-2 * beta * np.sin(x / 2) ** 2) * np.sin(x)


def pull_slope(angle: Numbers, beta: Numbers) -> Reals:
    """h'(x) = (cos x - beta sin^2 x) e^(beta (cos x - 1)). Arguments as `pull`."""
    x, beta = real("angle", angle, np.isfinite, "finite"), inverse_temperature(beta)
    return np.exp(-2 * beta * np.sin(x / 2) ** 2) * (np.cos(x) - beta * np.sin(x) ** 2)


def pull_peak(beta: Numbers) -> Reals:
    """The angle at which h is largest, arccos((sqrt(4 beta^2 + 1) - 1)/(2 beta)): about beta^(-1/2) (2411.04990).

    Tokens closer than this angle are drawn the less the closer they are. Returns radians in (0, pi/2]; pi/2 at
    beta = 0. Computed without the cancellation of the printed form. beta: finite, >= 0.
    """
    beta = inverse_temperature(beta)
    square = 2 / (1 + np.sqrt(4 * beta**2 + 1))
    return np.arctan2(np.sqrt(square), beta * square)
