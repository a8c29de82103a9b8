"""What is claimed of the tokens, hypothesis by hypothesis, and what would refute it."""

import textwrap
from collections.abc import Mapping
from math import isnan
from types import MappingProxyType

from compare.judging.hypothesis import Hypothesis as Hypothesis
from compare.judging.hypothesis import Threshold as Threshold
from compare.judging.of_post import OF_POST
from compare.judging.of_theory import OF_THEORY

HYPOTHESES: Mapping[str, Hypothesis] = MappingProxyType({each.id: each for each in (*OF_POST, *OF_THEORY)})
"""Every hypothesis by its id, those of the post first."""


def describe() -> str:
    """The registry as text of at most 100 columns, for a terminal."""
    return "\n\n".join(_paragraph(hypothesis) for hypothesis in HYPOTHESES.values())


def _paragraph(hypothesis: Hypothesis) -> str:
    lines = [f"{hypothesis.id}  {hypothesis.statement}"]
    thresholds = "; ".join(
        f"{one.name} {one.value:g}" + (f" ({one.low:g} to {one.high:g})" if one.sweep() else "")
        for one in hypothesis.thresholds
    )
    for name, text in (
        ("source", hypothesis.source),
        ("applies to", hypothesis.applies_to),
        ("statistic", f"{hypothesis.statistic} [{hypothesis.unit}]"),
        ("null", hypothesis.null),
        (
            "smallest effect",
            "none" if isnan(hypothesis.smallest_effect) else f"{hypothesis.smallest_effect:g}",
        ),
        ("CONFIRMED", hypothesis.rule),
        ("REFUTED", hypothesis.refuted_by),
        ("thresholds", thresholds),
    ):
        lines.append(textwrap.fill(text, 100, initial_indent=f"    {name:<16}", subsequent_indent=" " * 20))
    return "\n".join(lines)
