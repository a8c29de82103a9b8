"""Random weights: how attention whose heads are drawn anew in each layer brings tokens together (2604.01978)."""

import numpy as np

from compare.theory.domain import Numbers, Reals, real, tokens


def homogenised(tau: Numbers, n: Numbers, start: Numbers = 0.0) -> Reals:
    """Mean cosine R of n tokens at depth tau under attention with random weights at small beta.

    L layers x_i -> N(x_i + (eta/H) sum_h V_h m_ih), N(x) = x/|x|, where m_ih is the mean of the tokens under the
    attention of head h and the entries of all V are independent, Gaussian, of mean 0 and variance 1/d. A random V pulls
    to no side, but all tokens get nearly the same V m, and what is common to unit vectors brings them together: at
    beta = 0, in many dimensions and small steps,

        R' = (1 + (n-1) R)(1 - R)/n,    tau = L eta^2/H,

    half as fast as with V = 1, and in the square of the step. With m = (1 + (n-1) R)/n, the squared length of the
    tokens' mean, this is m' = m (1 - m), so that m/(1 - m) grows as e^tau:

        R = [(1 + (n-1) R0) - (1 - R0) e^-tau] / [(1 + (n-1) R0) + (n-1)(1 - R0) e^-tau].

    In d dimensions the mean pull on a pair of cosine R is smaller, by the factor 1 - (2 + R)/d (at d = 2 it drives
    pairs of negative R apart), and R fluctuates by O(sqrt(tau/d)) from draw to draw. There is no mask: under a causal
    one, tokens have means of their own.

    Arguments broadcast. tau: finite, >= 0; a layer in which attention adds A to x has the part |A|^2/(|x|^2 m) of it.
    n: at least 2. start: R0, the mean cosine over pairs i < j at tau = 0, in (-1/(n-1), 1]. Returns values in
    [start, 1]. Raises ValueError outside. Accurate to a few roundings of 1.
    Source: 2604.01978, Section 2.3.5, the theorem on small beta: for m, and cosines that all start above 0, up to the
    fluctuation and an error of order 1/d or the square of the scores, beta d sigma_A^2. The equation for R and the
    finite d of one pair are derived here; the latter is the paper's drift of an overlap at beta = 0.

    >>> from compare import theory
    >>> theory.homogenised([0.0, 1.0, 2.0, 4.0], 32, 0.1).round(3).tolist()
    [0.1, 0.262, 0.505, 0.886]
    """
    tau = real("tau", tau, lambda depth: depth >= 0, "finite and at least 0")
    n = tokens(n)
    start = real("start", start, lambda cosine: (cosine > -1 / (n - 1)) & (cosine <= 1), "in (-1/(n-1), 1]")
    mean, apart = 1 + (n - 1) * start, 1 - start
    gained = n * start - apart * np.expm1(-tau)
    return gained / (mean + (n - 1) * apart * np.exp(-tau))
