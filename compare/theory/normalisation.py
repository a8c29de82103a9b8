"""Speeds of equiangular tokens under each placement of the norm (2510.22026), and what they conserve."""

from typing import NamedTuple

import numpy as np
from scipy.special import expi

from compare.theory.domain import Numbers, Reals, inverse_temperature, option, positive, real, tokens
from compare.theory.exponential import e1_span

SCHEMES = ("post", "pre", "peri", "ngpt", "sqrt")


class Speeds(NamedTuple):
    """Time derivatives of the common inner product and of the common length.

    >>> from compare import theory
    >>> speeds = theory.normalisation_speeds("pre", 1.0, 32, 1.0)
    >>> float(speeds.rho), round(float(speeds.radius), 12)
    (0.0, 1.0)
    """

    rho: Reals
    radius: Reals


def normalisation_speeds(
    scheme: str,
    rho: Numbers,
    n: Numbers,
    beta: Numbers,
    radius: Numbers = 1.0,
    alpha: Numbers = 1.0,
    t: Numbers = 1.0,
) -> Speeds:
    """Speeds of n tokens with mutual inner product rho and common length r, attention with Q = K = V = 1.

    rho' = (2/s) b (1 - rho)(1 + (n-1) rho), b the weight on each other token, a on the own, A the output, and

        scheme   s           r'                     s at rho = 0 gives rho'
        post     1           0                      2/(e^beta + n - 1)
        pre      r           <theta, A>             over r
        peri     r |A|       <theta, A>/|A|         2/(r sqrt(e^(2 beta) + n - 1))
        ngpt     |A|/alpha   0                      2 alpha/sqrt(e^(2 beta) + n - 1)
        sqrt     sqrt(t)     0                      post, over sqrt(t)

    <theta, A> = a + (1-a) rho. Mix-LN is post up to its switch and pre after. (2510.22026 prints -Theta(Var/alpha)
    for nGPT; it is -Theta(alpha Var), as here.) Near consensus 1 - rho falls as e^(-2t) (post), t^(-2) (pre, peri),
    e^(-2 int alpha) (ngpt), e^(-4 sqrt t) (sqrt).

    Arguments broadcast. rho: in (-1/(n-1), 1]. n: at least 2. beta: finite, >= 0. radius, alpha, t: above 0; read
    only by the schemes that name them. Returns `Speeds`. Raises ValueError outside these domains.

    >>> import numpy as np
    >>> from compare import theory
    >>> round(float(theory.normalisation_speeds("post", 0.0, 32, 1.0).rho), 5), round(2 / (np.e + 31), 5)
    (0.05932, 0.05932)
    """
    option("scheme", scheme, SCHEMES)
    rho, n, beta = _checked(rho, n, beta)
    radius, alpha, t = positive("radius", radius), positive("alpha", alpha), positive("t", t)
    other = np.exp(-beta * (1 - rho))
    own = 1 / (1 + (n - 1) * other)
    other = own * other
    mean = 1 + (n - 1) * rho
    length = np.sqrt((own - other) ** 2 + 2 * (own - other) * other * mean + other**2 * n * mean)
    along = own + (1 - own) * rho
    slowness, growth = {
        "post": (np.ones_like(rho), np.zeros_like(along)),
        "pre": (radius, along),
        "peri": (radius * length, along / length),
        "ngpt": (length / alpha, np.zeros_like(along)),
        "sqrt": (np.sqrt(t), np.zeros_like(along)),
    }[scheme]
    return Speeds(2 / slowness * other * (1 - rho) * mean, growth)


def norm_invariant(rho: Numbers, n: Numbers, beta: Numbers, radius: Numbers = 1.0) -> Reals:
    """A quantity that Pre-LN and Peri-LN conserve exactly: the limit of (1 - rho) r^2 along their flow.

    Both have d ln(r)/d rho = (e^(beta v) + (n-1) rho)/(2 v (1 + (n-1) rho)) with v = 1 - rho, so that

        (1 - rho) r^2 exp{ int_0^v (e^(beta x) - 1)/(x (n - (n-1) x)) dx }

    does not change; the integral is 1/n times Ei(beta v) - gamma_E - ln(beta v)
    + e^(beta c) [E1(beta (c - v)) - E1(beta c)] - ln(c/(c - v)), c = n/(n-1). The paper (2510.22026) has the tail
    1 - rho ~ t^(-2) only. Where a trained Pre-LN model has it, (1 - cos) |x|^2 tends to a constant over the layers.

    Arguments broadcast. rho: in (-1/(n-1), 1). n: at least 2. beta: finite, >= 0. radius: above 0.
    Returns values above 0, inf beyond floating point. Relative accuracy about 1e-13 while the exponent is below 100.

    >>> from compare import theory
    >>> round(float(theory.norm_invariant(0.5, 32, 0.0, radius=2.0)), 12)
    2.0
    >>> round(float(theory.norm_invariant(0.5, 32, 9.0, radius=2.0)), 3)
    7.205
    """
    rho, n, beta = _checked(rho, n, beta)
    real("rho", rho, lambda u: u < 1, "below 1")
    gap, limit = 1 - rho, n / (n - 1)
    scaled = np.maximum(beta * gap, 1e-17)
    with np.errstate(over="ignore", invalid="ignore"):
        near = expi(scaled) - np.euler_gamma - np.log(scaled)
        far = np.exp(beta * gap) * e1_span(beta, limit - gap, limit, gap) - np.log(limit / (limit - gap))
        return gap * positive("radius", radius) ** 2 * np.exp((near + far) / n)


def layer_time(alignment: Numbers, step: Numbers = 1.0, radius: Numbers = 1.0) -> Reals:
    """Time of the flow that one discrete layer x <- x + step A is worth: step/(r + step <theta, A>).

    A layer turns x by atan(step |P A|/(r + step <theta, A>)), P the projection off x: exact. With r = 1 the layer is
    Post-LN; near a cluster <theta, A> is about 1, so one layer of step 1 is worth half a unit of time.

    Arguments broadcast. alignment: <theta, A>, theta the direction of x. step, radius: above 0. Raises ValueError
    where r + step <theta, A> is not above 0: the layer then turns x by a right angle or more.

    >>> from compare import theory
    >>> theory.layer_time([0.0, 1.0]).tolist(), theory.layer_time(1.0, radius=[1.0, 9.0]).tolist()
    ([1.0, 0.5], [0.5, 0.1])
    """
    alignment, step = real("alignment", alignment, np.isfinite, "finite"), positive("step", step)
    length = positive("radius", radius) + step * alignment
    return step / real("radius + step * alignment", length, lambda r: r > 0, "above 0")


def _checked(rho: Numbers, n: Numbers, beta: Numbers) -> tuple[Reals, Reals, Reals]:
    n = tokens(n)
    rho = real("rho", rho, lambda u: (u > -1 / (n - 1)) & (u <= 1), "in (-1/(n-1), 1]")
    return rho, n, inverse_temperature(beta)
