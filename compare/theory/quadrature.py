"""Gauss-Legendre quadrature on equal panels, broadcast over the ends of the interval."""

import numpy as np

from compare.theory.domain import Reals

ORDER = 16
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)


def gauss_panels(low: Reals, high: Reals, panels: int) -> tuple[Reals, Reals]:
    """Nodes and weights of `panels` equal panels of 16 points each, along a new last axis.

    The error falls as rho^(-32), where rho is the size (half the sum of the axes, in units of half a panel) of the
    largest ellipse around a panel in which the integrand is analytic.
    """
    fractions = (np.arange(panels)[:, None] + (1 + _NODES) / 2).ravel() / panels
    width = np.asarray(high - low)[..., None]
    return np.asarray(low)[..., None] + width * fractions, width * np.tile(_WEIGHTS / 2, panels) / panels
