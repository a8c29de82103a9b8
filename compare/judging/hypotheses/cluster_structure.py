"""P20, cluster structure: whether tokens fall into clusters, tight or not, with gaps between them."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from compare.judging import curves
from compare.judging.evidence import Claim, Evidence, NotApplicable
from compare.judging.group import Group, MeasuredRun, Thresholds, labels, require_tokens
from compare.judging.hypothesis import CLOSE, MATTERS, RUNS, SEEN, TOKENS, Hypothesis, Threshold
from compare.judging.limits import CLUSTERS, HOLD, plants, within_reach
from compare.judging.reach import percent
from compare.metrics.calibrated.held_out import CLUSTERS as COUNTS
from compare.metrics.calibrated.held_out import VARIABLES, HeldOut
from compare.metrics.calibrated.whitening import POWERS
from compare.statistics import RATE, means_above, t_interval

WORDS = {0.0: "not whitened", 0.5: "half whitened", 1.0: "whitened"}
LEAST_GAP = 0.1
GAP, AGREEMENT = "gap between clusters V", "agreement of clusters kappa"
SHARES = (0.3, 0.4, 0.5)


class Sought(NamedTuple):
    """Every way in which clusters were sought: the power p that whitens and the number k, one entry a way.

    late, first: held-out margins (run, way), means over the two late depths, and at the first.
    """

    power: Float[np.ndarray, " way"]
    clusters: Float[np.ndarray, " way"]
    late: HeldOut
    first: HeldOut


def clusters_are_there(group: Group, at: Thresholds) -> Evidence:
    """P20: at some p and k both the gap V and the agreement kappa, late; refuted where one of them fails at all.

    Of the ways in which both hold at 95 %, or of all where there is none, the one of the largest V kappa is reported.
    """
    runs = require_tokens(group, at)
    sought = _sought(group, runs)
    holds, fails = _weighed(sought.late, at)
    score = sought.late.gap.mean(axis=0) * np.maximum(sought.late.agreement.mean(axis=0), 0)
    way = int(np.argmax(np.where(holds <= RATE / 2, score + 2, score)))  # V kappa lies in [-1, 1]
    found = Evidence(
        (
            Claim(GAP, "1", sought.late.gap[:, way], low=at["delta"]),
            Claim(
                AGREEMENT,
                "1",
                sought.late.agreement[:, way],
                low=at["agreement"],
                smallest_effect=at["agreement"],
            ),
        ),
        labels(runs),
        guard=float(fails.max()),
        note=_said(sought, way, at["delta"]),
    )

    def p_of(share: float, draw: int) -> float:
        clusters = plants(group, HOLD, share)
        return _p_confirmed(clusters.unplanted, clusters.margins(draw), at)

    return within_reach(found, group, at, f"3 to {CLUSTERS} clusters", p_of, "late_closeness", SHARES)


def _weighed(found: HeldOut, at: Thresholds) -> tuple[Float[np.ndarray, " way"], Float[np.ndarray, " way"]]:
    """One-sided p, small where both V and kappa are large enough in a way, and where one of them is not."""
    holds = np.maximum(means_above(found.gap, at["delta"]), means_above(found.agreement, at["agreement"]))
    fails = np.minimum(means_above(-found.gap, -at["delta"]), means_above(-found.agreement, -at["vague"]))
    return holds, fails


def _p_confirmed(group: Group, planted: HeldOut | None, at: Thresholds) -> float:
    """The p at which the rule, at the last depth, confirms the margins of what is planted in these runs."""
    if planted is None:
        return 1.0
    places = _places(group, require_tokens(group, at))
    found = HeldOut(*(part[places].reshape(len(places), -1) for part in planted))
    known = np.isfinite(found.gap).all(axis=0)
    holds, _ = _weighed(HeldOut(*(part[:, known] for part in found)), at)
    return float(np.min(holds, initial=1.0))


def _places(group: Group, runs: tuple[MeasuredRun, ...]) -> list[int]:
    return [place for place, run in enumerate(group.runs) if any(run is one for one in runs)]


def _sought(group: Group, runs: tuple[MeasuredRun, ...]) -> Sought:
    """All ways that every run has enough tokens for: without whitening, and whitened by the other runs of the group."""
    plain = [np.stack([run[name] for run in runs])[:, None] for name in VARIABLES]
    known = np.isfinite(plain[0]).all(axis=(0, 1, 2))
    if not known.any():
        raise NotApplicable(f"needs the held-out margins of {COUNTS[0]} clusters or more in every run")
    parts, powers = plain, np.zeros(1)
    if group.held_out is not None:
        places = _places(group, runs)
        parts = [np.concatenate([own, more[places]], axis=1) for own, more in zip(plain, group.held_out)]
        powers = np.array([0, *POWERS])
    power, clusters = (each.ravel() for each in np.meshgrid(powers, np.array(COUNTS)[known], indexing="ij"))
    ways = [part[..., known].swapaxes(1, 2).reshape(len(runs), part.shape[2], -1) for part in parts]
    first, late = (HeldOut(*(way[:, depths].mean(axis=1) for way in ways)) for depths in ([0], [1, 2]))
    return Sought(power, clusters, late, first)


def _said(sought: Sought, way: int, delta: float) -> str:
    """Where V is largest, how much of the variance is between the clusters, and whether they form over depth."""
    gain = sought.late.gap[:, way] - sought.first.gap[:, way]
    low, high = t_interval(gain)
    formed = (
        "they form" if low > delta else "they do not form" if high < delta else "whether they form is open"
    )
    share = sought.late.share[:, way]
    least, most = t_interval(share)
    return (
        f"sought as {sought.clusters[way]:g} clusters, {WORDS[sought.power[way]]}, which hold "
        f"{percent(share.mean())} of the variance beyond chance ({percent(least)} to {percent(most)}); "
        f"V gains {gain.mean():.2f} over the first depth "
        f"({low:.2f} to {high:.2f}): {formed}"
    )


HYPOTHESIS = Hypothesis(
    id="P20",
    statement="Tokens fall into clusters, tight or not",
    source="ours",
    applies_to="any runs of 32 different tokens or more",
    statistic=f"{GAP}, and {AGREEMENT}, at two late depths, in the best way of seeking clusters",
    unit="1",
    null="none needed: V is at most 0 for a continuum, and about -0.1 for a Gaussian cloud",
    smallest=Threshold("delta", LEAST_GAP, 0.05, 0.15, "least gap V that matters"),
    rule="in one way (3 to 12 clusters, of the points or of points whitened by the covariance of the other runs, "
    "half or whole): lower ends of the 95 % intervals over runs of V and of kappa above delta and agreement",
    refuted_by="in each way: upper end of the 95 % interval of V below delta, or of kappa below vague, "
    f"{SEEN}; it excludes 3 to {CLUSTERS} clusters that hold as much, and nothing else",
    others=(
        Threshold("agreement", 0.7, 0.65, 0.75, "least kappa of clusters that are there"),
        Threshold("vague", 0.65, 0.6, 0.7, "kappa below which clusters are not found again"),
        CLOSE,
        replace(MATTERS, value=0.3, low=0.3, high=0.3),
        RUNS,
        TOKENS,
    ),
    evidence=clusters_are_there,
    chart=lambda behind: curves.held_out_gap(behind.own, behind.group, LEAST_GAP),
)
