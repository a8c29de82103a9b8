"""The long-context scale of trained heads: beta_eff (1 - rho) against log n (2510.05554)."""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from compare import theory
from compare.metrics.pairwise import kept, mean_gap
from probe.temperature import temperature
from sim.sphere import normalise
from sim.trajectory import Trajectory


def long_context(trajectory: Trajectory, keep: Bool[np.ndarray, " token"] | None = None) -> xr.Dataset:
    """Each head's inverse temperature on the scale of log n, and whether its output brings tokens together.

    The theorem: n tokens at mutual cosine rho, one attention step without residual, Q = K = V = I, beta = gamma ln n.
    As n grows the cosine of two outputs tends to 1 (attention merges its context) for gamma < 1/(1 - rho), and to
    rho (it leaves tokens alone) above. Here rho is the mean cosine of the tokens that a head reads, gamma is
    beta_eff / ln n, and ``strength`` = beta_eff (1 - rho) / ln n is below 1 on the merging side. beta_eff is ``beta``
    of `probe.temperature`: what cosines do beside places where places explain the head better, else how sharp it is.

    What is measured beside it is the cosine between rows of A theta, A the head's own attention weights and theta the
    tokens: V = I, so that only where the head looks counts. ``predicted_cosine`` is the theorem's value at this n, for
    tokens all at one cosine and logits that are beta_eff times it. A trained head is neither: ``r_squared`` says how
    much of its logits the cosines explain and ``cosine_spread`` how far the tokens are from one mutual cosine, and
    where the head attends by place, the prediction is not about it.

    Arguments
    ---------
    trajectory: of a model with attention, in the frame ``"layernorm"``, the sphere on which it attends.
    keep: tokens whose rows and cosines count; those that `compare.metrics.exclusions` keeps where None. Keys are all
        tokens.

    Returns
    -------
    An `xarray.Dataset`, depths being those with attention.

    - Over (depth, head): the variables of `probe.temperature` but for ``pairs``; ``gamma`` and ``strength``, of the
      sign of beta_eff and infinite where that is; ``output_cosine`` and ``predicted_cosine``, means over pairs i < j;
      ``merging``, (1 - output_cosine) / (1 - rho), 0 for a head that merges all and 1 for one that leaves the cosine as
      it is.
    - Over depth: ``input_cosine``, rho; ``cosine_spread``, the standard deviation over pairs; ``critical_gamma``,
      1/(1 - rho).
    - ``log_context``: ln n in nats, under a causal mask the mean of ln(i + 1) over the kept queries i.

    ``critical_gamma`` and ``predicted_cosine`` are NaN where rho is outside [0, 1), the domain of the theorem, and the
    latter also where beta_eff is below 0.

    Raises ValueError without attention, for another frame, or where fewer than 2 tokens are kept.
    Cost: O(heads n^2 d) a depth, and that of `probe.temperature`.
    """
    frame = trajectory.provenance.get("frame")
    if frame != "layernorm":
        raise ValueError(
            f"need the sphere on which the model attends, extract(..., frame='layernorm'), got frame {frame!r}"
        )
    chosen = kept(trajectory, keep)
    found = temperature(trajectory, chosen)
    places = np.flatnonzero(np.isin(trajectory.depth, found["depth"]))
    points = trajectory.points[places]
    rho = 1 - mean_gap(points[:, chosen])
    context = _log_context(chosen, bool(trajectory.provenance.get("causal", False)))
    attention = trajectory.attention
    assert attention is not None  # temperature has refused it otherwise
    output = np.array(
        [_output_cosines(rows[:, chosen], theta) for rows, theta in zip(attention[places], points)]
    )
    beta = found["beta"].values
    of_heads, inside = ("depth", "head"), (rho >= 0) & (rho < 1)
    within = np.where(inside, rho, 0.0)
    heads = {
        "gamma": beta / context,
        "strength": beta * (1 - rho[:, None]) / context,
        "output_cosine": output,
        "predicted_cosine": _predicted(within, beta, np.exp(context)),
        "merging": (1 - output) / (1 - rho[:, None]),
    }
    heads["predicted_cosine"][~inside[:, None] | (beta < 0)] = np.nan
    pairs = np.triu_indices(int(chosen.sum()), 1)
    spread = [(theta @ theta.T)[pairs].std() for theta in points[:, chosen]]
    critical = np.where(inside, theory.critical_context_beta(within, np.exp(context)) / context, np.nan)
    return found.drop_vars("pairs").assign(
        {name: (of_heads, values) for name, values in heads.items()}
        | {
            "input_cosine": ("depth", rho),
            "cosine_spread": ("depth", np.array(spread)),
            "critical_gamma": ("depth", critical),
            "log_context": ((), context, {"units": "nat"}),
        }
    )


def _log_context(chosen: Bool[np.ndarray, " token"], causal: bool) -> float:
    """Mean over kept queries of the logarithm of the number of keys that they see."""
    seen = np.arange(1, len(chosen) + 1) if causal else np.full(len(chosen), len(chosen))
    return float(np.log(seen[chosen]).mean())


def _output_cosines(
    rows: Float[np.ndarray, "head query token"], theta: Float[np.ndarray, "token d"]
) -> Float[np.ndarray, " head"]:
    return 1 - mean_gap(normalise(rows.astype(np.float64) @ theta))


def _predicted(
    rho: Float[np.ndarray, " depth"], beta: Float[np.ndarray, "depth head"], n: float
) -> Float[np.ndarray, "depth head"]:
    """The theorem's cosine; rho itself where beta is infinite."""
    finite = np.isfinite(beta)
    value = theory.output_cosine(rho[:, None], max(n, 2.0), np.where(finite, np.maximum(beta, 0.0), 0.0))
    return np.where(finite, value, rho[:, None])
