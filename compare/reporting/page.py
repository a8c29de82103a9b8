"""The pages: all that was measured and judged, put into the templates; one to read, and those that it opens to."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import xarray as xr
from markupsafe import Markup

import probe
from compare.judging.chart import Behind
from compare.judging.reach import DEFAULT, size_in_words
from compare.judging.registry import HYPOTHESES
from compare.judging.verdicts import Verdicts
from compare.published.claims import check_claims
from compare.reporting.across_page import across_page
from compare.reporting.calibration_page import calibration_page
from compare.reporting.claims_table import claims_table
from compare.reporting.definitions import definition_anchor, definitions
from compare.reporting.evidence import per_run, sections
from compare.reporting.explorer import NAME as EXPLORER
from compare.reporting.findings import findings, why_nothing
from compare.reporting.first_figure import first_figure
from compare.reporting.matrix import matrix
from compare.reporting.model_page import by_group, model_page
from compare.reporting.published_page import published_page
from compare.reporting.theory_page import theory_page
from compare.reporting.verdict_table import (
    SIGNS,
    TABLES,
    TOGETHER,
    Column,
    anchor,
    columns,
    effect_in_words,
    measures,
    tally,
)
from compare.study.analyses import KeptTables
from compare.study.plan import MAX_TOKENS, more_changes
from compare.study.results import LeftOut, SavedRun
from compare.study.subjects import default_texts

FOLDER = "report"
LONGEST_NAME = 40


@dataclass(frozen=True)
class Pages:
    """The HTML text of every page by its path in the folder of results, and what was found, in sentences."""

    texts: Mapping[str, str]
    findings: tuple[str, ...]


def pages(
    directory: Path,
    runs: Sequence[SavedRun],
    judged: Verdicts,
    kept: KeptTables,
    left_out: Sequence[LeftOut],
    limits: str,
) -> Pages:
    """The pages on all runs of a folder, which hold what was measured on them, and on the tables of its models.

    The first is report.html; the others are in a folder beside it, one a hypothesis, one a model, and some more.
    limits: how they were sought, as of `compare.judge`.
    """
    table = json.loads(judged.to_json())
    groups = columns(runs)
    every = [*groups, TOGETHER]
    behind = _behind(groups, runs)
    command = repeating(judged, runs, limits)
    models = {
        f"model-{number}-{_short(one.group)}": model_page(
            one.group,
            [run for run in runs if run.group == one.group or (run.change and run.model == one.model)],
            kept.tables.get(one.group, {}),
            kept.missing.get(one.group, ()),
        )
        for number, one in enumerate((one for one in groups if one.model and not one.change), start=1)
    }
    found = findings(table["rows"], every)
    evidence = sections(judged, every, HYPOTHESES, behind, command)
    shared = {
        "runs": runs,
        "left_out": left_out,
        "explorer": EXPLORER,
        "table": table,
        "findings": found,
        "why_nothing": why_nothing(table["rows"]),
        "figure": first_figure(
            judged, groups, {name: list(one.runs.values()) for name, one in behind.items()}, kept.tables
        ),
        "matrix": matrix(table["rows"], every),
        "tally": tally(table["rows"]),
        "sections": evidence,
        "page_of": {section.hypothesis.id: section.page for section in evidence},
        "statements": {name: one.statement for name, one in HYPOTHESES.items()},
        "models": models,
        "claims": claims_table(check_claims(judged, _published(runs)), every),
        "calibration": calibration_page(directory),
        "across": across_page(
            kept.tables, [run.measured("published") for run in runs if _is_text(run)], judged.seed
        ),
        "definitions": definitions(run.measured(preset) for run in runs for preset in run.presets),
        "command": command,
        "embedded": sorted(name for name, one in probe.models().items() if one.source == "embedded"),
    }
    published = published_page({run.label: run for run in runs if "published" in run.presets})
    theory = [
        theory_page(one.group, [run for run in runs if run.group == one.group])
        for one in groups
        if one.table == "theory"
    ]
    inner: dict[str, tuple[str, str, dict[str, Any]]] = {
        **{
            section.page: (
                f"{section.hypothesis.id}: {section.hypothesis.statement}",
                "evidence",
                {"section": section},
            )
            for section in evidence
        },
        **{name: (page.name, "model", {"page": page}) for name, page in models.items()},
        "theory": ("The theory, group by group", "theory", {"theory": theory}),
        "across": ("Across models", "across", {}),
        "calibration": ("The judge judged", "calibration", {}),
        "published": ("The published criteria, met or not", "published", {"published": published}),
        "definitions": ("Definitions", "definitions", {}),
        "repeat": ("Repeat it", "repeat", {}),
    }
    environment = _environment()
    whole = environment.get_template("report.html.j2").render(shared, root="")
    texts = {"report.html": whole}
    for name, (title, template, own) in inner.items():
        page = environment.get_template(f"{template}.html.j2")
        texts[f"{FOLDER}/{name}.html"] = page.render(shared, title=title, root="../", **own)
    return Pages(texts, found or (shared["why_nothing"],))


def repeating(judged: Verdicts, runs: Sequence[SavedRun], limits: str) -> str:
    """The command that makes these runs anew, those of models with the models, texts and length that they name, and
    asks the same of them.

    Of folders and texts of the user's own only the names are known: their places read path/to.
    """
    read = [run.facts for run in runs if run.is_model]
    parts = ["metasphere compare", f"--seed {judged.seed}", f"--draws {judged.draws}", "--out repeated"]
    models = {str(facts["model"]): facts for facts in read if facts.get("change") is None}
    parts += [
        f"--model {shlex.quote(f'path/to/{model}' if facts.get('model_place') else model)}"
        for model, facts in models.items()
    ]
    own = {str(facts.get("prompt")) for facts in read if facts.get("prompt_class") == "own"}
    texts = {str(facts.get("prompt")) for facts in read} - own
    if own:
        texts &= {*probe.prompts()}
    if own or (texts != {text.name for text in default_texts()} and texts <= {*probe.prompts()}):
        every = texts == {*probe.prompts()}
        parts += ["--prompt all"] if every else [f"--prompt {text}" for text in sorted(texts)]
    parts += [f"--file {shlex.quote(f'path/to/{text}')}" for text in sorted(own)]
    if limits != DEFAULT:
        parts.append(f"--limits {limits}")
    if set(judged.thresholds) != set(HYPOTHESES):
        parts += [f"--hypothesis {name}" for name in judged.thresholds]
    lengths = {facts.get("max_tokens") for facts in read} - {None, MAX_TOKENS}
    parts += [f"--max-tokens {length}" for length in lengths if len(lengths) == 1]
    if not {facts.get("change") for facts in read}.isdisjoint(more_changes()):
        parts.append("--changes all")
    return " ".join(parts)


def _short(name: str) -> str:
    """The beginning of a name as part of a file's, in small letters."""
    return anchor(name.encode("ascii", "ignore").decode())[:LONGEST_NAME].strip("-.")


def _published(runs: Sequence[SavedRun]) -> dict[str, list[xr.Dataset]]:
    return {
        group: [run.measured("published") for run in members.values()]
        for group, members in by_group(runs, "published").items()
    }


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
    """Whether a run with the published definitions is of a trained model, on a text or on the repeated token."""
    return "published" in run.presets and run.is_model and run.facts.get("init") == "trained"


def number(value: float | int | None, missing: str = "&ndash;") -> str:
    """Three digits, or what stands for a number that is not there, such as an infinite end of an interval."""
    return Markup(missing) if value is None or value != value else f"{value:.3g}"


def _own(name: str) -> Markup:
    """A file of ours that goes into the page as it is."""
    return Markup((files("compare.reporting") / "templates" / name).read_text("utf-8"))


@jinja2.pass_context
def _to(context: jinja2.runtime.Context, name: str, place: str = "") -> str:
    """The address of another page, and of a place on it, from the page that is being written."""
    path = "report.html" if name == "report" else f"{FOLDER}/{name}.html"
    return f"{context['root']}{path}" + (f"#{place}" if place else "")


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
        "kinds": TABLES,
        "number": number,
        "size_in_words": size_in_words,
        "anchor": anchor,
        "definition_anchor": definition_anchor,
        "measures": measures,
        "effect_in_words": effect_in_words,
        "per_run": per_run,
        "own": _own,
        "to": _to,
        "zip": zip,
    }
    return environment
