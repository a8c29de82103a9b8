"""The sentence that gives the reason of a verdict, with its numbers."""

import numpy as np

from compare.judging.evidence import CONFIRMED, REFUTED, Balance, Claim, Evidence
from compare.statistics import RATE

_CENTRE = {"mean": "averages", "share": "is", "median": "is", "slope": "is", "correlation": "is"}


def explain(verdict: str, evidence: Evidence, found: Balance, q: float, asked: int) -> str:
    """The sentence: what was measured over how many runs, its interval, and where that lies."""
    claim, weight = found.claim, found.weight
    low, high = (_number(end) for end in weight.interval)
    text = (
        f"over {len(evidence.labels)} runs the {claim.statistic} {_CENTRE[claim.kind]} {_number(weight.effect)} "
        f"(95 % interval {low} to {high}), {_place(verdict, evidence, found, q, asked)}"
    )
    reach = evidence.reach if verdict == evidence.absence or evidence.is_blind else None
    said = [text[0].upper() + text[1:], evidence.note, reach.sentence() if reach else evidence.doubt]
    return "; ".join(filter(None, said)) + "."


def _place(verdict: str, evidence: Evidence, found: Balance, q: float, asked: int) -> str:
    claim, weight = found.claim, found.weight
    bound = _range(claim)
    if evidence.universal and verdict == REFUTED:
        beyond = [
            label
            for label, value in zip(evidence.labels, claim.values)
            if not claim.low <= value <= claim.high
        ]
        return f"and {', '.join(beyond)} {'is' if len(beyond) == 1 else 'are'} not {bound}"
    if verdict == CONFIRMED:
        others = " and so is every other number asked for" if len(evidence.claims) > 1 else ""
        return f"all of it {bound}{others}"
    if verdict == REFUTED:
        return f"none of it {bound}"
    if found.p <= RATE / 2:
        return f"which lies clear of the bound, but not once corrected for {asked} questions (q = {q:.2g})"
    low, high = weight.interval
    if evidence.is_blind:
        confirms = evidence.absence == CONFIRMED
        return (
            f"all of it {bound}, which confirms nothing"
            if confirms
            else f"none of it {bound}, which refutes nothing"
        )
    if high < claim.low or low > claim.high:
        missing = (
            "not all that refutes it is there"
            if evidence.guard > RATE / 2
            else "in too few runs to refute it"
        )
        return f"none of it {bound}, but {missing}"
    return f"so that it may be {bound} or not"


def _range(claim: Claim) -> str:
    if np.isfinite(claim.low) and np.isfinite(claim.high):
        return f"between {_number(claim.low)} and {_number(claim.high)}"
    return f"above {_number(claim.low)}" if np.isfinite(claim.low) else f"below {_number(claim.high)}"


def _number(value: float) -> str:
    if np.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    return f"{value:.3g}"
