"""Robustness of a verdict: the share of other thresholds and intervals that give the same one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from compare.judging.evidence import (
    NOT_APPLICABLE,
    UNDECIDED,
    Balance,
    Evidence,
    NotApplicable,
    Undecided,
    balance,
    decide,
    other_intervals,
)
from compare.judging.group import Group
from compare.judging.hypothesis import Hypothesis
from compare.judging.reach import Reach

MOST_DRAWS = 6


class Varied(NamedTuple):
    """A threshold over its range, and what the runs say at each other value: how they weigh, or the verdict they give.

    They give one where the hypothesis does not speak of them there.
    """

    threshold: str
    low: float
    high: float
    answers: tuple[Balance | str, ...]


def varied(hypothesis: Hypothesis, group: Group, reach: Reach | None = None) -> tuple[Varied, ...]:
    """What the runs say where each threshold is another.

    Thresholds of the measurement are those variants that ``measure`` has taken. What is planted is seen there where all
    of the first draws show it: as many as `reach`, that of the row itself, has made, and 6 at most.
    """
    draws = MOST_DRAWS if reach is None else min(reach.draws, MOST_DRAWS)
    return tuple(
        Varied(name, low, high, tuple(_answer(hypothesis, group, at, draws) for at in ways))
        for name, low, high, ways in _ways(hypothesis, group)
    )


def robustness(
    ways: Sequence[Varied], evidence: Evidence, verdict: str, cutoff: float, seed: int
) -> tuple[dict[str, Any], ...]:
    """For each threshold the range it was varied over and the share of it that gives the same verdict.

    The level of the decision stays that of the table. The kind of interval is varied without correction: bootstrap-t,
    and counting runs.
    """
    entries = [
        _entry(name, low, high, [_verdict(answer, cutoff) for answer in answers], verdict)
        for name, low, high, answers in ways
    ]
    entries.append(_entry("kind of interval", np.nan, np.nan, other_intervals(evidence, seed), verdict))
    return tuple(entries)


def _answer(hypothesis: Hypothesis, group: Group, at: dict[str, Any], draws: int) -> Balance | str:
    try:
        evidence = hypothesis.evidence(group, at)
        if evidence.reach is not None:
            evidence = replace(evidence, reach=evidence.reach.briefly(draws))
        return balance(evidence)
    except NotApplicable:
        return NOT_APPLICABLE
    except Undecided:
        return UNDECIDED


def _verdict(answer: Balance | str, cutoff: float) -> str:
    """At a given one-sided level."""
    return answer if isinstance(answer, str) else decide(answer, cutoff)


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
