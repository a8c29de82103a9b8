"""Robustness of a verdict: the share of other thresholds and intervals that give the same one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from compare.judging.evidence import (
    NOT_APPLICABLE,
    UNDECIDED,
    Evidence,
    NotApplicable,
    Undecided,
    balance,
    decide,
    other_intervals,
)
from compare.judging.group import Group
from compare.judging.hypothesis import Hypothesis


def robustness(
    hypothesis: Hypothesis, group: Group, evidence: Evidence, verdict: str, cutoff: float, seed: int
) -> tuple[dict[str, Any], ...]:
    """For each threshold the range it was varied over and the share of it that gives the same verdict.

    The level of the decision stays that of the table. Thresholds of the measurement are those variants that
    ``measure`` has taken; the kind of interval is varied without correction: bootstrap-t, and counting runs.
    """
    entries = [
        _entry(name, low, high, [verdict_at(hypothesis, group, at, cutoff) for at in ways], verdict)
        for name, low, high, ways in _ways(hypothesis, group)
    ]
    entries.append(_entry("kind of interval", np.nan, np.nan, other_intervals(evidence, seed), verdict))
    return tuple(entries)


def verdict_at(hypothesis: Hypothesis, group: Group, at: dict[str, Any], cutoff: float) -> str:
    """The verdict with other thresholds, at a given one-sided level."""
    try:
        return decide(balance(hypothesis.evidence(group, at)), cutoff)
    except NotApplicable:
        return NOT_APPLICABLE
    except Undecided:
        return UNDECIDED


def _ways(hypothesis: Hypothesis, group: Group) -> Iterator[tuple[str, float, float, list[dict[str, Any]]]]:
    base = hypothesis.at
    for threshold in hypothesis.thresholds:
        if values := threshold.sweep():
            ways = [{**base, threshold.name: value} for value in values]
            yield threshold.name, float(threshold.low), float(threshold.high), ways
    shared = set.intersection(*(set(run.variants) for run in group.runs))
    for name in hypothesis.variants:
        variants = [variant for variant in group.runs[0].variants if variant in shared]
        chosen = [variant for variant in variants if variant.rpartition(" ")[0] == name]
        if chosen:
            values = [float(variant.rpartition(" ")[2]) for variant in chosen]
            ways = [{**base, "variant": variant} for variant in chosen]
            yield f"{name} (measured)", min(values), max(values), ways


def _entry(name: str, low: float, high: float, found: Sequence[str], verdict: str) -> dict[str, Any]:
    agreement = float(np.mean([one == verdict for one in found]))
    return {"threshold": name, "low": low, "high": high, "agreement": agreement}
