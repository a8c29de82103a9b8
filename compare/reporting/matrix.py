"""The verdicts folded: hypotheses down; theory, trained models and changed ones across; how many of each verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compare.reporting.verdict_table import SIGNS, TABLES, Column, Row, tally

SPOKEN = [verdict for verdict in SIGNS if verdict != "NOT APPLICABLE"]


@dataclass(frozen=True)
class Cell:
    """What is said of one hypothesis on one kind of groups: its rows, by verdict, and how many have each.

    kind: one of `TABLES`. silent: of how many more groups the hypothesis does not speak.
    """

    kind: str
    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    silent: int


@dataclass(frozen=True)
class Line:
    """A hypothesis and its cells, in the order of the kinds; None where it speaks of no such group."""

    hypothesis: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """kinds: those that were judged, with the number of their groups. lines: hypotheses that speak of any group."""

    kinds: Mapping[str, int]
    lines: tuple[Line, ...]
    silent: tuple[str, ...]


def matrix(rows: Sequence[Row], groups: Sequence[Column]) -> Matrix:
    """Verdicts folded over the groups; silent: hypotheses that speak of none of them."""
    kind_of = {one.group: one.table for one in groups}
    judged = {row["group"] for row in rows}
    kinds = {
        kind: sum(
            one.table == kind and one.group in judged and bool(one.model or kind == "theory")
            for one in groups
        )
        for kind in TABLES
    }
    kinds = {kind: number for kind, number in kinds.items() if number}
    lines = []
    for hypothesis in dict.fromkeys(row["hypothesis"] for row in rows):
        own = [row for row in rows if row["hypothesis"] == hypothesis]
        cells = tuple(
            _cell(kind, [row for row in own if kind_of.get(row["group"]) == kind]) for kind in kinds
        )
        lines.append(Line(hypothesis, cells))
    return Matrix(
        kinds,
        tuple(line for line in lines if any(line.cells)),
        tuple(line.hypothesis for line in lines if not any(line.cells)),
    )


def _cell(kind: str, rows: Iterable[Row]) -> Cell | None:
    every = list(rows)
    spoken = sorted(
        (row for row in every if row["verdict"] in SPOKEN), key=lambda row: SPOKEN.index(row["verdict"])
    )
    if not spoken:
        return None
    counts = {verdict: number for verdict, number in tally(spoken).items() if number}
    return Cell(kind, tuple(spoken), counts, len(every) - len(spoken))
