"""One line of the table of `make bench`: what was measured, beside what, and whether a target was met."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path("out/benchmarks")
Line = dict[str, Any]


def line(what: str, ours: str, value: float, *, rival: str = "", most: float = 0, least: float = 0) -> Line:
    """A measurement in words, its number, and the target: at most `most`, or at least `least`; none where both are 0.

    ours: what was measured, with its unit. value: the number that the target speaks of. rival: what it stands beside.
    """
    target = f"at most {most:g}" if most else f"at least {least:g}" if least else ""
    met = (value <= most if most else value >= least) if target else None
    return {
        "what": what,
        "ours": ours,
        "beside": rival,
        "value": float(f"{value:.3g}"),
        "target": target,
        "met": met,
    }


def keep(path: Path, lines: Sequence[Line], **details: Any) -> None:
    """Write a benchmark's lines and details as JSON, and print the lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"lines": list(lines), **details}, indent=1), encoding="utf-8")
    print(table(lines))


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    rows = ["| what | measured | beside | number | target | |", "|---" * 6 + "|"]
    for one in lines:
        said = {True: "met", False: "**missed**", None: ""}[one["met"]]
        rows.append(
            f"| {one['what']} | {one['ours']} | {one['beside']} | {one['value']:g} | {one['target']} | {said} |"
        )
    return "\n".join(rows)
