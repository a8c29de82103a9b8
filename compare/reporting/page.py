"""The page: all that was measured and judged, put into the templates."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
import xarray as xr
from markupsafe import Markup

import probe
from compare.judging.chart import Behind
from compare.judging.registry import HYPOTHESES
from compare.judging.verdicts import Verdicts
from compare.published.claims import check_claims
from compare.reporting.across_page import across_page
from compare.reporting.calibration_page import calibration_page
from compare.reporting.definitions import definition_anchor, definitions
from compare.reporting.evidence import per_run, sections
from compare.reporting.model_page import by_group, model_page
from compare.reporting.published_page import published_page
from compare.reporting.theory_page import theory_page
from compare.reporting.verdict_table import (
    SIGNS,
    TOGETHER,
    Column,
    anchor,
    columns,
    measures,
    size,
    tables,
    tally,
)
from compare.study.analyses import KeptTables
from compare.study.results import LeftOut, SavedRun


def page(
    directory: Path,
    runs: Sequence[SavedRun],
    judged: Verdicts,
    kept: KeptTables,
    left_out: Sequence[LeftOut] = (),
) -> str:
    """The HTML text on all runs of a folder, which hold what was measured on them, and on the tables of its models."""
    table = json.loads(judged.to_json())
    groups = columns(runs)
    published = {run.label: run for run in runs if "published" in run.presets}
    published_by_group = {
        group: [run.measured("published") for run in members.values()]
        for group, members in by_group(runs, "published").items()
    }
    command = f"metasphere compare --seed {judged.seed} --draws {judged.draws} --out repeated"
    theory = [
        (one.group, [run for run in runs if run.group == one.group])
        for one in groups
        if one.table == "theory"
    ]
    context = {
        "runs": runs,
        "left_out": left_out,
        "table": table,
        "tables": tables(table["rows"], [*groups, TOGETHER]),
        "tally": tally(table["rows"]),
        "sections": sections(table["rows"], HYPOTHESES, _behind(groups, runs), command),
        "statements": {name: one.statement for name, one in HYPOTHESES.items()},
        "models": [
            model_page(
                one.group,
                [run for run in runs if run.group == one.group or (run.change and run.model == one.model)],
                kept.tables.get(one.group, {}),
                kept.missing.get(one.group, ()),
            )
            for one in groups
            if one.table == "trained"
        ],
        "theory": [theory_page(name, members) for name, members in theory],
        "across": across_page(
            kept.tables,
            [run.measured("published") for run in published.values() if _is_text(run)],
            judged.seed,
        ),
        "calibration": calibration_page(directory),
        "published": published_page(published),
        "claims": check_claims(judged, published_by_group),
        "definitions": definitions(run.measured(preset) for run in runs for preset in run.presets),
        "command": command,
        "embedded": sorted(name for name, one in probe.models().items() if one.source == "embedded"),
    }
    return _environment().get_template("report.html.j2").render(context)


def _behind(groups: Iterable[Column], runs: Sequence[SavedRun]) -> dict[str, Behind]:
    """What was measured on each group, and on the controls of a trained one."""
    measured = {
        group: {label: run.measured("calibrated") for label, run in members.items()}
        for group, members in by_group(runs, "calibrated").items()
    }
    changed: dict[str, dict[str, Mapping[str, xr.Dataset]]] = defaultdict(dict)
    for one in groups:
        if one.change:
            changed[one.model][one.change] = measured.get(one.group, {})
    return {
        one.group: Behind(one.group, measured[one.group], {} if one.change else changed[one.model])
        for one in groups
        if one.group in measured
    }


def _is_text(run: SavedRun) -> bool:
    """Whether a run is of a trained model, on a text or on the repeated token."""
    return run.is_model and run.facts.get("init") == "trained"


def number(value: float | int | None, missing: str = "&ndash;") -> str:
    """Three digits, or what stands for a number that is not there, such as an infinite end of an interval."""
    return Markup(missing) if value is None or value != value else f"{value:.3g}"


def _own(name: str) -> Markup:
    """A file of ours that goes into the page as it is."""
    return Markup((files("compare.reporting") / "templates" / name).read_text("utf-8"))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compare.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.globals |= {
        "signs": SIGNS,
        "number": number,
        "anchor": anchor,
        "definition_anchor": definition_anchor,
        "measures": measures,
        "size": size,
        "per_run": per_run,
        "own": _own,
        "zip": zip,
    }
    return environment
