"""The section of one model: texts side by side, controls, heads, value paths, and its divergence from the theory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from compare.judging import curves
from compare.judging.chart import Chart
from compare.reporting.charts import Picture, picture
from compare.reporting.head_charts import (
    HeadRow,
    head_charts,
    head_energy_charts,
    head_rows,
    value_path_charts,
)
from compare.reporting.part_charts import divergence_charts, norm_charts, part_charts
from compare.reporting.random_weight_charts import random_weight_charts
from compare.reporting.spheres import Player, player
from compare.study.results import SavedRun

COMPARED = ("", "random weights", "shuffled tokens")
ALL = (*COMPARED, "other mask", "attention alone")


@dataclass(frozen=True)
class ModelPage:
    """What the template needs of one model; empty parts are left out by it."""

    name: str
    facts: Mapping[str, Any]
    texts: tuple[str, ...]
    by_text: tuple[Picture, ...]
    trained_against_random: tuple[Picture, ...]
    divergence: tuple[Picture, ...]
    parts: tuple[Picture, ...]
    norms: tuple[Picture, ...]
    random_weights: tuple[Picture, ...]
    heads: tuple[Picture, ...]
    head_energy: tuple[Picture, ...]
    head_rows: tuple[HeadRow, ...]
    value_paths: tuple[Picture, ...]
    sphere: Player | None
    sphere_of: str
    missing: tuple[str, ...]


def model_page(
    name: str, runs: Sequence[SavedRun], tables: Mapping[str, xr.Dataset], missing: Sequence[str] = ()
) -> ModelPage:
    """The page of the runs of one model; `tables` are those of `compare.analyses.tables`, as far as there are any.

    missing: the files of tables that should be there.
    """
    changes = _by_change(runs)
    trained = changes.get("", {})
    shown = next(iter(trained), None)
    heads = tables.get("heads")
    return ModelPage(
        name=name,
        facts=next(iter(runs)).facts,
        texts=tuple(
            f"{run.facts.get('prompt')} ({run.facts.get('prompt_class')})" for run in trained.values()
        ),
        by_text=tuple(_by_text(name, changes)),
        trained_against_random=tuple(_trained_against_random(name, changes)) if trained else (),
        divergence=tuple(drawn(divergence_charts(name, tables["parting"]))) if "parting" in tables else (),
        parts=tuple(drawn(part_charts(name, tables["parts"]))) if "parts" in tables else (),
        norms=tuple(drawn(norm_charts(name, tables["norms"]))) if "norms" in tables else (),
        random_weights=tuple(drawn(random_weight_charts(name, tables["random_weights"])))
        if "random_weights" in tables
        else (),
        heads=tuple(drawn(head_charts(name, heads))) if heads is not None else (),
        head_energy=tuple(drawn(head_energy_charts(name, tables["head_energy"])))
        if "head_energy" in tables
        else (),
        head_rows=tuple(head_rows(heads, [run.measured("calibrated") for run in trained.values()]))
        if heads is not None
        else (),
        value_paths=tuple(drawn(value_path_charts(name, tables["value_paths"])))
        if "value_paths" in tables
        else (),
        sphere=player(trained[shown].without_attention, trained[shown].measured("calibrated"))
        if shown
        else None,
        sphere_of=shown or "",
        missing=tuple(missing),
    )


def by_group(runs: Sequence[SavedRun], preset: str) -> dict[str, dict[str, SavedRun]]:
    """The runs to which these definitions apply, by group, then by label."""
    found: dict[str, dict[str, SavedRun]] = {}
    for run in runs:
        if preset in run.presets:
            found.setdefault(run.group, {})[run.label] = run
    return found


def drawn(charts: Sequence[Chart | None]) -> list[Picture]:
    return [picture(chart) for chart in charts if chart is not None]


def _by_change(runs: Sequence[SavedRun]) -> dict[str, dict[str, SavedRun]]:
    """The runs in which attention reads, by what is changed in them, "" for nothing, then by label."""
    found: dict[str, dict[str, SavedRun]] = {}
    for run in runs:
        if "calibrated" in run.presets:
            found.setdefault(run.change, {})[run.label] = run
    return found


def _by_text(name: str, changes: Mapping[str, Mapping[str, SavedRun]]) -> list[Picture]:
    """Cluster life of each text, as trained and under both controls."""
    charts = []
    for run in changes.get("", {}).values():
        prompt = run.facts.get("prompt")
        chosen = {"trained": [run.measured("calibrated")]}
        for change in COMPARED[1:]:
            same = [one for one in changes.get(change, {}).values() if one.facts.get("prompt") == prompt]
            if same:
                chosen[change] = [one.measured("calibrated") for one in same]
        charts.append(curves.cluster_life(chosen, f"{name}, {run.facts.get('prompt_class')}: {prompt}"))
    return drawn(charts)


def _trained_against_random(name: str, changes: Mapping[str, Mapping[str, SavedRun]]) -> list[Picture]:
    chosen = {
        change or "trained": [run.measured("calibrated") for run in changes[change].values()]
        for change in ALL
        if change in changes
    }
    charts = [
        curves.mean_cosine(chosen, name),
        curves.over_depth(
            chosen, "mean_length", f"{name}: length of the mean", "length of the mean", low=0.0, high=1.0
        ),
        curves.cluster_number(chosen, name),
    ]
    return drawn([*charts, curves.follow(chosen["trained"], f"{name}: attention within clusters")])
