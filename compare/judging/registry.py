"""All hypotheses: each module of `compare.judging.hypotheses` holds one, and is found where it stands."""

import pkgutil
import textwrap
from collections.abc import Iterable, Mapping
from importlib import import_module
from math import isnan
from types import MappingProxyType

from compare.judging import hypotheses
from compare.judging.hypothesis import Hypothesis as Hypothesis
from compare.judging.hypothesis import Threshold as Threshold


def _order(hypothesis: Hypothesis) -> tuple[str, int]:
    """By letter, which puts those of the post first, then by number."""
    return hypothesis.id[0], int(hypothesis.id[1:])


def _found() -> dict[str, Hypothesis]:
    names = [module.name for module in pkgutil.iter_modules(hypotheses.__path__)]
    each = [import_module(f"{hypotheses.__name__}.{name}").HYPOTHESIS for name in names]
    return {one.id: one for one in sorted(each, key=_order)}


HYPOTHESES: Mapping[str, Hypothesis] = MappingProxyType(_found())
"""Every hypothesis by its id, those of the post first."""


def chosen(asked: str | Hypothesis | Iterable[str | Hypothesis] | None) -> tuple[Hypothesis, ...]:
    """The hypotheses that are asked for, by id or one's own as they are; all of the registry where None.

    Raises ValueError for an id that there is not, or two hypotheses of one id.
    """
    if asked is None:
        return tuple(HYPOTHESES.values())
    listed = tuple(asked) if isinstance(asked, Iterable) and not isinstance(asked, str) else (asked,)
    known = tuple(HYPOTHESES)
    unknown = [one for one in listed if not isinstance(one, Hypothesis) and one not in known]
    if unknown:
        raise ValueError(
            f"no hypothesis {unknown[0]!r}: choose from {', '.join(HYPOTHESES)}, or give a Hypothesis"
        )
    found = tuple(one if isinstance(one, Hypothesis) else HYPOTHESES[one] for one in listed)
    if not found or len({one.id for one in found}) < len(found):
        raise ValueError(f"hypotheses must be one or more, each once, got {[one.id for one in found]}")
    return found


def describe() -> str:
    """The registry as text of at most 100 columns, for a terminal."""
    return "\n\n".join(_paragraph(hypothesis) for hypothesis in HYPOTHESES.values())


def _paragraph(hypothesis: Hypothesis) -> str:
    """A line a field, and one a threshold: its value, the range over which the verdict is asked again, its meaning."""
    least = hypothesis.smallest_effect
    fields = [
        ("source", hypothesis.source),
        ("applies to", hypothesis.applies_to),
        ("statistic", f"{hypothesis.statistic} [{hypothesis.unit}]"),
        ("null", hypothesis.null),
        ("smallest effect", "none" if isnan(least) else f"{least:g}"),
        ("CONFIRMED", hypothesis.rule),
        ("REFUTED", hypothesis.refuted_by),
    ]
    names = ["thresholds", *[""] * len(hypothesis.thresholds)]
    fields += zip(names, map(_explained, hypothesis.thresholds))
    lines = [
        textwrap.fill(text, 100, initial_indent=f"    {name:<16}", subsequent_indent=" " * 20)
        for name, text in fields
    ]
    return "\n".join([f"{hypothesis.id}  {hypothesis.statement}", *lines])


def _explained(threshold: Threshold) -> str:
    varied = f" ({threshold.low:g} to {threshold.high:g})" if threshold.sweep() else ""
    return f"{threshold.name} {threshold.value:g}{varied}: {threshold.meaning}"
