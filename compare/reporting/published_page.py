"""The post's own criteria and metrics, by its definitions: the table of what is met, and the curves behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from compare.published.across_texts import AcrossTexts, across_texts
from compare.published.criteria import Criterion, published_criteria
from compare.reporting.published_figures import Image, images
from compare.reporting.verdict_table import TABLES, anchor, columns
from compare.study.results import SavedRun

MOST_DRAWN = 7


@dataclass(frozen=True)
class Drawn:
    """The published figures of one run."""

    label: str
    anchor: str
    images: tuple[Image, ...]


@dataclass(frozen=True)
class Cell:
    """How many runs of a group meet a criterion, of those on which it is defined, and why it is not on the others."""

    met: int
    defined: int
    reason: str


@dataclass(frozen=True)
class CriteriaTable:
    """columns: groups. rows: for each criterion what it is and one cell a group."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Criterion, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class PublishedPage:
    """The criteria on the theory, on models and on their controls; each model over its texts; figures of some runs."""

    tables: tuple[CriteriaTable, ...]
    across: tuple[AcrossTexts, ...]
    drawn: tuple[Drawn, ...]


def criteria_rows(measured: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """The criteria of every run as JSON values: one row a criterion and run."""
    return [
        {
            "run": label,
            **asdict(criterion),
            "value": criterion.value if np.isfinite(criterion.value) else None,
        }
        for label, table in measured.items()
        for criterion in published_criteria(table)
    ]


def published_page(runs: Mapping[str, SavedRun]) -> PublishedPage:
    """The tables of all groups, and the figures of the first run of some groups that are no controls, models first.

    runs: by label, those to which the published definitions apply.
    """
    measured = {label: run.measured("published") for label, run in runs.items()}
    main = [label for label, run in runs.items() if not run.change]
    first = {runs[label].group: label for label in reversed(main)}
    shown = sorted(first.values(), key=lambda label: not runs[label].is_model)[:MOST_DRAWN]
    return PublishedPage(
        tuple(_tables(runs, measured)),
        across_texts(measured[label] for label in main if runs[label].is_model),
        tuple(
            Drawn(label, anchor("published", label), tuple(images(measured[label])))
            for label in sorted(shown)
        ),
    )


def _tables(runs: Mapping[str, SavedRun], measured: Mapping[str, xr.Dataset]) -> Iterator[CriteriaTable]:
    criteria: dict[tuple[str, str], dict[str, list[Criterion]]] = {}
    for label, table in measured.items():
        for one in published_criteria(table):
            row = criteria.setdefault((one.hypothesis, one.statement), {})
            row.setdefault(runs[label].group, []).append(one)
    for name, title in TABLES.items():
        groups = tuple(one.group for one in columns(runs.values()) if one.table == name)
        if groups:
            rows = (
                (next(iter(row.values()))[0], tuple(_cell(row.get(group, [])) for group in groups))
                for row in criteria.values()
            )
            yield CriteriaTable(title, groups, tuple(rows))


def _cell(criteria: list[Criterion]) -> Cell:
    defined = [one for one in criteria if one.met is not None]
    reasons = [one.reason for one in criteria if one.met is None]
    return Cell(sum(one.met is True for one in defined), len(defined), reasons[0] if reasons else "")
