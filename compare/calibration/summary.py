"""Verdicts counted: power and false alarms with exact intervals, and the rows of a report."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from compare.calibration.registry import GENERATORS
from compare.statistics import clopper_pearson

SCHEMA = "metasphere/calibration/1"
VERDICTS = ("CONFIRMED", "REFUTED", "UNDECIDED", "NOT APPLICABLE")
POWER, FALSE_ALARMS = "power", "false alarms"
HIGHEST_FALSE_ALARMS = 0.02
LEAST_POWER = 0.95
CLUSTERED = 0.75
FILLED, EMPTY = 0.3, 0.1
RISES, FALLS = 0.03, 0.07


class Row(NamedTuple):
    """One line of the report: of how many `groups` a hypothesis was, by `hits`, CONFIRMED or REFUTED.

    claim: "power", CONFIRMED where that is true; "false refuted", REFUTED there; "false alarms", CONFIRMED where it is
    not; "refuted", REFUTED there.
    low, high: the exact 95 % interval of the share. target: at least so much power, at most so many false alarms;
    NaN where nothing was asked.
    """

    hypothesis: str
    generator: str
    meaning: str
    claim: str
    groups: int
    hits: int
    share: float
    low: float
    high: float
    target: float


def truth(generator: str, hypothesis: str, record: Mapping[str, Any]) -> bool | None:
    """Whether a hypothesis holds of a group: True, False, or None where it is not claimed either way.

    By the oracle H1 is true where three quarters of the tokens end in clusters of three or more, and never false, as
    smaller clusters are clusters too; H2 is true where plateaus fill 30 % of the depths on average, false where under
    10 %; H4 is true where falls make under 3 % of the changes of the energy, false over 7 %, as the judge's own rule is
    at 5 %.
    """
    said = GENERATORS[generator].truth.get(hypothesis)
    if said != "oracle":
        return said
    if hypothesis == "H1":
        return True if record["clustered"] >= CLUSTERED else None
    if hypothesis == "H2":
        filled = record["plateau"]
        return True if filled >= FILLED else False if filled < EMPTY else None
    descent = record["descent"]
    return None if descent is None or RISES <= descent <= FALLS else descent < RISES


def summary(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> xr.Dataset:
    """Verdicts counted, for the groups of each generator.

    Returns a data set with dimensions generator, hypothesis, truth ("true", "false", "open") and verdict: ``count``,
    the number of groups; beside it ``share`` of CONFIRMED among those of one truth, with ``low`` and ``high``, its
    exact 95 % interval, NaN where there is no such group; ``groups`` (generator).
    """
    names = [name for name in records if records[name]]
    hypotheses = sorted(
        {h for name in names for record in records[name] for h in record["verdicts"]}, key=_order
    )
    truths = ("true", "false", "open")
    count = np.zeros((len(names), len(hypotheses), len(truths), len(VERDICTS)), int)
    for i, name in enumerate(names):
        for record in records[name]:
            for j, hypothesis in enumerate(hypotheses):
                if (found := record["verdicts"].get(hypothesis)) is not None:
                    place = {True: 0, False: 1, None: 2}[truth(name, hypothesis, record)]
                    count[i, j, place, VERDICTS.index(found["verdict"])] += 1
    confirmed = [_with_interval(int(each[0]), int(each.sum())) for each in count.reshape(-1, len(VERDICTS))]
    share, low, high = np.reshape(confirmed, (*count.shape[:-1], 3)).transpose(3, 0, 1, 2)
    over = ("generator", "hypothesis", "truth")
    return xr.Dataset(
        {
            "count": ((*over, "verdict"), count, {"long_name": "groups", "units": "1"}),
            "share": (over, share, {"long_name": "share CONFIRMED", "units": "1"}),
            "low": (over, low, {"long_name": "lower end of its 95 % interval", "units": "1"}),
            "high": (over, high, {"long_name": "upper end of its 95 % interval", "units": "1"}),
            "groups": ("generator", [len(records[name]) for name in names]),
        },
        coords={
            "generator": names,
            "meaning": ("generator", [GENERATORS[name].meaning for name in names]),
            "hypothesis": hypotheses,
            "truth": list(truths),
            "verdict": list(VERDICTS),
        },
        attrs={"targets": json.dumps({"power": LEAST_POWER, "false alarms": HIGHEST_FALSE_ALARMS})},
    )


def rows(table: xr.Dataset) -> tuple[Row, ...]:
    """The lines of the report: for each hypothesis and generator its power, its false alarms and what it refuted.

    Where more than one generator speaks to a hypothesis, a line "all" adds up their groups.
    """
    found = []
    for hypothesis in table["hypothesis"].values:
        for truth_name, verdict, claim, target in _CLAIMS:
            counts = table["count"].sel(hypothesis=hypothesis, truth=truth_name)
            lines = [
                (str(name), int(line.sel(verdict=verdict)), int(line.sum()))
                for name, line in zip(table["generator"].values, counts)
                if int(line.sum())
            ]
            if len(lines) > 1:
                lines.append(("all", sum(line[1] for line in lines), sum(line[2] for line in lines)))
            for name, hits, groups in lines:
                meaning = "all of them" if name == "all" else GENERATORS[name].meaning
                interval = _with_interval(hits, groups)
                found.append(Row(str(hypothesis), name, meaning, claim, groups, hits, *interval, target))
    return tuple(found)


def as_json(table: xr.Dataset) -> str:
    """The table as JSON: ``rows`` as in `Row`, ``counts`` by hypothesis, generator and truth, settings and targets.

    Numbers that do not exist are null. The same table gives the same text.
    """
    counts = []
    for hypothesis in table["hypothesis"].values:
        for name in table["generator"].values:
            for truth_name in table["truth"].values:
                each = table["count"].sel(hypothesis=hypothesis, generator=name, truth=truth_name)
                if int(each.sum()):
                    by_verdict = {
                        verdict.lower().replace(" ", "_"): int(number)
                        for verdict, number in zip(VERDICTS, each.values)
                    }
                    who = {"hypothesis": str(hypothesis), "generator": str(name), "truth": str(truth_name)}
                    counts.append(who | {"groups": int(each.sum())} | by_verdict)
    made = [
        {key: None if value != value else value for key, value in row._asdict().items()}
        for row in rows(table)
    ]
    whole = {
        "schema": SCHEMA,
        "settings": json.loads(table.attrs.get("settings", "{}")),
        "targets": json.loads(table.attrs["targets"]),
        "rows": made,
        "counts": counts,
    }
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def as_text(lines: Iterable[Row]) -> str:
    """The rows as a table of plain text."""
    header = f"{'':4} {'claim':13} {'generator':12} {'groups':>6} {'hits':>5}  share  95 % interval"
    body = [
        f"{row.hypothesis:4} {row.claim:13} {row.generator:12} {row.groups:6d} {row.hits:5d}  "
        f"{row.share:5.3f}  {row.low:.3f} to {row.high:.3f}"
        for row in lines
    ]
    return "\n".join([header, *body])


_CLAIMS = (
    ("true", "CONFIRMED", POWER, LEAST_POWER),
    ("true", "REFUTED", "false refuted", HIGHEST_FALSE_ALARMS),
    ("false", "CONFIRMED", FALSE_ALARMS, HIGHEST_FALSE_ALARMS),
    ("false", "REFUTED", "refuted", float("nan")),
)


def _with_interval(hits: int, groups: int) -> tuple[float, float, float]:
    if not groups:
        return np.nan, np.nan, np.nan
    interval = clopper_pearson(hits, groups)
    return hits / groups, interval.low, interval.high


def _order(hypothesis: str) -> tuple[str, int]:
    return hypothesis[0], int(hypothesis[1:])
