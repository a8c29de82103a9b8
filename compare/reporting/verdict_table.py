"""The groups that verdicts are on, and how a verdict is written: its sign, its numbers, its place."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from compare.study.results import SavedRun
from probe.registry import is_stage

SIGNS = {"CONFIRMED": "\u2713", "REFUTED": "\u2717", "UNDECIDED": "?", "NOT APPLICABLE": "\u2013"}
TABLES = {
    "theory": "The theory, simulated",
    "trained": "Trained models",
    "changed": "The same models, changed",
}
Row = Mapping[str, Any]
EVERYTHING = "all models"
ROUNDING, NOTHING = 1e-12, 0.02


@dataclass(frozen=True)
class Column:
    """A group of runs: its name, the kind of it, one of `TABLES`, the model that it is of, and what is changed in that.

    model, change: "" for the theory, and for a model as trained on the text as written. A stage of a training is a
    changed model too, in which nothing else is changed.
    """

    group: str
    table: str
    model: str
    change: str


TOGETHER = Column(EVERYTHING, "trained", "", "")
"""Where the judge puts what it asks of all models together."""


def anchor(*words: str) -> str:
    """A fragment of the page's address from names."""
    return re.sub(r"[^\w.-]+", "-", "--".join(words)).strip("-").lower()


def columns(runs: Iterable[SavedRun]) -> tuple[Column, ...]:
    """The groups in order: the theory, then model by model what was trained and what was changed."""
    found: dict[str, Column] = {}
    for run in runs:
        if run.group not in found:
            changed = run.change or run.facts.get("stage") or is_stage(run.model)
            table = "theory" if not run.is_model else "changed" if changed else "trained"
            found[run.group] = Column(run.group, table, run.model, run.change)
    order = list(TABLES)
    return tuple(sorted(found.values(), key=lambda one: (order.index(one.table), one.model, one.change)))


def measures(cells: Iterable[Row | None]) -> tuple[str, ...]:
    """What the numbers of a line of the table are in, with the smallest effect that matters, once each."""
    found = {
        f"{row['unit']}; matters from {row['smallest_effect']:.3g}" if row["smallest_effect"] else row["unit"]
        for row in cells
        if row and row["effect"] is not None
    }
    return tuple(sorted(found))


def size(value: float, smallest_effect: float | None) -> str:
    """An effect to three digits, and no finer than about a hundredth of the smallest one that matters.

    What is within rounding of 0 is "0".
    """
    if abs(value) < ROUNDING:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    if not smallest_effect or digits < 0:
        return f"{value:.3g}"
    return f"{value:z.{min(digits, max(0, math.floor(2 - math.log10(smallest_effect))))}f}"


def effect_in_words(row: Row) -> str:
    """The effect with its interval, or how close to 0 all of it is, where no digit that matters is left of either."""
    low, high = row["ci"]
    least = row["smallest_effect"]
    if least and None not in (low, high) and max(abs(low), abs(high)) < NOTHING * least:
        widest = max(abs(low), abs(high), ROUNDING)
        return f"within {widest:.1g} of 0"
    ends = (
        "\u2212\u221e" if low is None else size(low, least),
        "\u221e" if high is None else size(high, least),
    )
    return f"{size(row['effect'], least)} [{ends[0]}, {ends[1]}]"


def tally(rows: Iterable[Row]) -> dict[str, int]:
    """How many cells have each verdict."""
    found = [row["verdict"] for row in rows]
    return {verdict: found.count(verdict) for verdict in SIGNS}
