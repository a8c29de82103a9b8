"""The judge's table: one row for each hypothesis and group, as a record, as JSON, CSV and LaTeX."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from compare.files import write_text

SCHEMA = "metasphere/verdicts/3"
_COLUMNS = (
    *("hypothesis", "group", "verdict", "effect", "low", "high", "unit", "statistic", "smallest_effect"),
    *("detection_limit", "p", "q", "runs", "agreement", "beta", "statement", "source", "why"),
)
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "^": r"\^{}",
    "~": r"\~{}",
    **{sign: "\\" + sign for sign in "&%$#_"},
}


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one hypothesis and one group of runs, and everything it rests on.

    hypothesis, statement, source: which claim. group: whose runs. verdict: "CONFIRMED", "REFUTED", "UNDECIDED" or "NOT
    APPLICABLE"; why: in a sentence, with the numbers. statistic, unit: what was measured, one number a run, in
    `values`; labels: the runs. effect: their mean (or share, median, slope). ci: its 95 % interval over runs, not
    corrected. smallest_effect: the least that matters, as in the registry; claimed: the range that the effect must lie
    in. null: what it was held against. p: one-sided, of the effect lying on the wrong side of the bound, where "wrong"
    is the side that the data speak against. q: 2 p, corrected by Benjamini and Hochberg for the whole table and for its
    family (simulations, trained models, controls, all models), the larger of both; CONFIRMED and REFUTED need q <=
    0.05. runs: their number. robustness: for each threshold the range {threshold, low, high} over which it was varied
    and the share of it with the same verdict, agreement; agreement: the mean of these. treatment: which tokens were
    left out. beta: the median over runs. reach: where runs would say that something is not there, what of it, planted
    in them, is seen (`compare.judging.reach.Reach`): `sought` and `planted`, in words; `of`, what shares are shares of;
    `is_effect`, whether that is the effect itself; `matters`, the least share that matters; `limit`, the least that is
    seen; `rungs`, of each size tried its share, whether it is seen, the draws, how many were confirmed (at 2.5 %, as a
    single row), and from low to high the interval of the power; None elsewhere. Numbers that do not exist are NaN.
    """

    hypothesis: str
    statement: str
    group: str
    verdict: str
    why: str
    statistic: str
    unit: str
    effect: float
    ci: tuple[float, float]
    smallest_effect: float
    claimed: tuple[float, float]
    null: str
    p: float
    q: float
    runs: int
    labels: tuple[str, ...]
    values: tuple[float, ...]
    robustness: tuple[Mapping[str, Any], ...]
    agreement: float
    treatment: str
    beta: float
    source: str
    reach: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Verdicts:
    """All verdicts of one table, with what is needed to repeat it.

    rows: hypothesis by hypothesis, groups in the order given. thresholds: name -> {value, low, high, meaning} for
    each hypothesis. seed, draws: of the null draws.

    As JSON (schema "metasphere/verdicts/3"): an object with ``schema``, ``seed``, ``draws``, ``thresholds`` (hypothesis
    -> threshold -> {value, low, high, meaning}) and ``rows``, a list of objects with the fields of `Verdict`: strings
    ``hypothesis``, ``statement``, ``group``, ``verdict``, ``why``, ``statistic``, ``unit``, ``null``, ``treatment``,
    ``source``; numbers ``effect``, ``smallest_effect``, ``p``, ``q``, ``runs``, ``agreement``, ``beta``; pairs ``ci``,
    ``claimed`` [low, high]; lists ``labels``, ``values`` (one a run) and ``robustness`` ({``threshold``, ``low``,
    ``high``, ``agreement``}); and ``reach``, null or {``sought``, ``planted``, ``of``, ``is_effect``, ``matters``,
    ``limit``, ``rungs``}, the last a list of {``share``, ``is_seen``, ``confirmed``, ``draws``, ``low``, ``high``}.
    Numbers that do not exist, and infinite ones, are null. Keys are sorted.

    >>> import compare
    >>> compare.Verdicts((), {}, seed=0, draws=99).rows
    ()
    """

    rows: tuple[Verdict, ...]
    thresholds: Mapping[str, Mapping[str, Mapping[str, float | str]]]
    seed: int
    draws: int

    def __repr__(self) -> str:
        counts = Counter(row.verdict for row in self.rows)
        told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
        groups = len({row.group for row in self.rows})
        return f"<Verdicts: {len(self.rows)} rows on {groups} groups{f': {told}' if told else ''}>"

    def row(self, hypothesis: str, group: str) -> Verdict:
        """The verdict on one hypothesis and group; ValueError where there is none.

        >>> import compare
        >>> compare.Verdicts((), {}, seed=0, draws=99).row("H1", "albert-128")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: no verdict on H1 for 'albert-128': ...
        """
        for row in self.rows:
            if (row.hypothesis, row.group) == (hypothesis, group):
                return row
        groups = sorted({row.group for row in self.rows})
        raise ValueError(f"no verdict on {hypothesis} for {group!r}: the groups are {', '.join(groups)}")

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """The table as JSON text, also written to `path` where one is given.

        >>> import json
        >>> import compare
        >>> json.loads(compare.Verdicts((), {}, seed=0, draws=99).to_json())["schema"]
        'metasphere/verdicts/3'
        """
        table = {
            "schema": SCHEMA,
            "seed": self.seed,
            "draws": self.draws,
            "thresholds": self.thresholds,
            "rows": [asdict(row) for row in self.rows],
        }
        text = json.dumps(_plain(table), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        if path is not None:
            write_text(Path(path), text)
        return text

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """The table as CSV text for a spreadsheet or a data frame, a row a verdict, also written to `path`.

        Fields of `Verdict` that are one value; ``low`` and ``high`` of `ci`; ``detection_limit``, the least share of
        what was planted that is seen. Numbers that do not exist are empty.

        >>> import compare
        >>> compare.Verdicts((), {}, seed=0, draws=99).to_csv().split(",")[:3]
        ['hypothesis', 'group', 'verdict']
        """
        text = io.StringIO()
        table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in self.rows:
            low, high = row.ci
            limit = None if row.reach is None else row.reach["limit"]
            cells = vars(row) | {"low": low, "high": high, "detection_limit": limit}
            table.writerow({name: _plain(cells[name]) for name in _COLUMNS})
        if path is not None:
            write_text(Path(path), text.getvalue())
        return text.getvalue()

    def to_latex(self) -> str:
        """The rows that apply as a LaTeX ``tabular`` that needs no package.

        >>> import compare
        >>> compare.Verdicts((), {}, seed=0, draws=99).to_latex().splitlines()[0]
        '\\\\begin{tabular}{lllrrrrr}'
        """
        lines = [
            r"\begin{tabular}{lllrrrrr}",
            r"\hline",
            r"hypothesis & group & verdict & effect & 95\,\% interval & smallest effect & $q$ & agreement \\",
            r"\hline",
        ]
        for row in self.rows:
            if row.verdict != "NOT APPLICABLE":
                cells = [*map(_latex, (row.hypothesis, row.group, row.verdict)), _number(row.effect)]
                cells += [f"{_number(row.ci[0])} to {_number(row.ci[1])}", _number(row.smallest_effect)]
                cells += [_number(row.q), _number(row.agreement)]
                lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def _plain(value: Any) -> Any:
    """JSON values only: tuples as lists, NumPy numbers as Python's, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _latex(text: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _number(value: float) -> str:
    if np.isnan(value):
        return "--"
    if np.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    text = f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"
    mantissa, _, power = text.partition("e")
    sign_free = mantissa.replace("-", "$-$")
    return rf"${mantissa}\cdot 10^{{{int(power)}}}$" if power else sign_free
