"""P10, Renyi centres: tokens that a causal mask holds still, against the reversed order."""

import numpy as np
from jaxtyping import Bool, Float

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, finite, labels, require_runs
from compare.judging.hypothesis import ABOVE, BELOW, RUNS, Hypothesis, Threshold
from compare.metrics.calibrated.energy import relative_noise

NEIGHBOURS = 8
LEAST_NEIGHBOURS = 3
NOISES = 2


def centres_stay(group: Group, at: Thresholds) -> Evidence:
    """P10: how much less strong Renyi centres have moved than tokens near them in the text, against reversed order.

    A strong centre is farther than delta = c beta^(-1/2) from every earlier token. Isolated tokens move less under any
    dynamics, and early ones less under any mask; so a centre is compared with the other tokens near it in the text, and
    the same is done for tokens that are far from every *later* one, which are as isolated and which the mask does not
    protect.
    """
    masked = tuple(run for run in group.runs if run.facts.get("causal") and np.isfinite(run.beta))
    if not masked:
        raise NotApplicable("no run has a causal mask and a known beta")
    causal = tuple(run for run in masked if run.beta > 0)
    if not causal:
        raise NotApplicable("every run with a causal mask has beta = 0, at which no distance is large")
    chosen, effect = finite(
        require_runs(causal, at, " with a causal mask"),
        lambda run: centre_stillness(run, at),
        at,
        " in which half of the tokens have moved by beta^(-1/2) and both orders have centres",
    )
    return Evidence(
        (
            Claim(
                "log of how much less the centres move, over reversed order", "nat", effect, low=at["delta"]
            ),
        ),
        labels(chosen),
    )


def centre_stillness(run: MeasuredRun, at: Thresholds) -> float:
    """Mean over the centres; NaN where too few tokens move or there is no centre on one of the sides."""
    points = run.points
    moved = np.linalg.norm(points - points[0], axis=2)
    far = np.flatnonzero(np.median(moved, axis=1) >= at["moved"] / np.sqrt(run.beta))
    if len(far) == 0:
        return np.nan
    apart = np.linalg.norm(points[0][:, None] - points[0], axis=2) > at["c"] / np.sqrt(run.beta)
    earlier, later = _isolated(apart), _isolated(apart[::-1, ::-1])[::-1]
    log_moved = np.log(np.maximum(moved[far[0]], NOISES * relative_noise(run.facts)))
    others = ~earlier & ~later
    forward = _against_neighbours(log_moved, earlier & ~later, others)
    backward = _against_neighbours(log_moved, later & ~earlier, others)
    return backward - forward


def _isolated(apart: Bool[np.ndarray, "token token"]) -> Bool[np.ndarray, " token"]:
    """Tokens apart from every earlier one; never the first, which a causal mask holds still whatever happens."""
    isolated = np.array([row[:place].all() for place, row in enumerate(apart)])
    isolated[0] = False
    return isolated


def _against_neighbours(
    log_moved: Float[np.ndarray, " token"],
    chosen: Bool[np.ndarray, " token"],
    others: Bool[np.ndarray, " token"],
) -> float:
    """Mean over chosen tokens of their log distance less the mean of that of others within 8 places."""
    found = []
    for place in np.flatnonzero(chosen):
        near = slice(max(place - NEIGHBOURS, 1), place + NEIGHBOURS + 1)
        beside = log_moved[near][others[near]]
        if len(beside) >= LEAST_NEIGHBOURS:
            found.append(log_moved[place] - beside.mean())
    return float(np.mean(found)) if found else np.nan


HYPOTHESIS = Hypothesis(
    id="P10",
    statement="Under a causal mask tokens far from every earlier one stay, and the others move to them",
    source="2411.04990 (Renyi centres)",
    applies_to="runs with a causal mask whose beta is known",
    statistic="log of how much less strong Renyi centres have moved than tokens near them in the text",
    unit="nat",
    null="the same for tokens far from every later one: as isolated, and not protected by the mask",
    smallest=Threshold("delta", 0.25, 0.15, 0.5, "least log ratio that matters"),
    rule=ABOVE,
    refuted_by=BELOW,
    others=(
        Threshold("c", 2.0, 1.5, 3.0, "distance of a centre from earlier tokens, in units of beta^(-1/2)"),
        Threshold("moved", 1.0, 0.5, 1.5, "median distance moved at which centres are asked for, same unit"),
        RUNS,
    ),
    evidence=centres_stay,
    chart=lambda behind: curves.cluster_number(behind.own, behind.group),
)
