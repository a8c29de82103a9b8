"""The section on the judge: its power and false alarms, where a calibration lies beside the runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from compare.calibration.summary import POWER, Row
from compare.reporting.evidence import interval


@dataclass(frozen=True)
class Line:
    """One row of the calibration, its interval drawn on [0, 1], whether its share meets its target, None without one,
    and whether all of the interval does."""

    row: Row
    interval: Markup
    met: bool | None
    shown: bool


@dataclass(frozen=True)
class CalibrationPage:
    """settings: how it was made. by_hypothesis: the lines of each hypothesis, its summary first."""

    settings: dict[str, Any]
    by_hypothesis: dict[str, tuple[Line, ...]]
    missed: tuple[Line, ...]


def calibration_page(directory: Path) -> CalibrationPage | None:
    """What `directory`/calibration/calibration.json says; None where there is none."""
    path = directory / "calibration" / "calibration.json"
    if not path.is_file():
        return None
    table = json.loads(path.read_text(encoding="utf-8"))
    lines: dict[str, list[Line]] = {}
    for row in table["rows"]:
        lines.setdefault(row["hypothesis"], []).append(_line(_read(row)))
    missed = [line for each in lines.values() for line in each if line.met is False]
    return CalibrationPage(
        table["settings"], {name: tuple(each) for name, each in lines.items()}, tuple(missed)
    )


def _read(row: Mapping[str, Any]) -> Row:
    """A row of the file, where numbers that do not exist are null."""
    known: dict[str, Any] = {name: np.nan if row[name] is None else row[name] for name in Row._fields}
    return Row(**known)


def _line(row: Row) -> Line:
    target = None if np.isnan(row.target) else row.target
    drawn = interval(
        {"effect": row.share, "ci": (row.low, row.high), "claimed": (target, None)}, (-0.02, 1.02)
    )
    met = None if target is None else row.share >= target if row.claim == POWER else row.share <= target
    shown = target is not None and (row.low >= target if row.claim == POWER else row.high <= target)
    return Line(row, drawn, met, shown)
