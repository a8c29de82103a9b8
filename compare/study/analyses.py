"""The tables of each model that a folder keeps beside its runs: made again where lost, damaged or of other inputs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from compare.analyses.tables import model_tables
from compare.files import sealed, write_netcdf
from compare.study.closure import code_digest
from compare.study.results import SavedRun, kept_table
from compare.study.subjects import Subject, Text
from probe.loading import load


@dataclass(frozen=True)
class KeptTables:
    """What a folder knows of its models: tables by model and name, and by model the files that should be there."""

    tables: Mapping[str, Mapping[str, xr.Dataset]]
    missing: Mapping[str, Sequence[str]]


def has_model_tables(subject: Subject) -> bool:
    """Whether its family has operators in which places play no part, and it is no stage of another subject."""
    return subject.has_operators and not subject.by_place and not subject.stage


def keep_model_tables(
    subject: Subject, directory: Path, texts: Sequence[Text], max_tokens: int | None, seed: int
) -> Path:
    """Write `directory`/models/NAME/TABLE.nc for each table, unless all are there, whole, and of these inputs.

    Each names the model, itself and all that were made with it, as not every model has every table.
    """
    folder = directory / "models" / subject.name.replace("/", "-")
    said = [subject.given, subject.files, [[text.name, text.text] for text in texts], max_tokens, seed]
    code = code_digest(model_tables)
    key = hashlib.sha256((json.dumps(said) + code).encode()).hexdigest()[:16]
    if not _all_there(folder, key):
        made = model_tables(load(subject.given), {text.name: text.text for text in texts}, max_tokens, seed)
        facts = {"key": key, "code": code, "model": subject.name, "tables": json.dumps(sorted(made))}
        for name, table in made.items():
            write_netcdf(folder / f"{name}.nc", sealed(table.assign_attrs(facts, table=name)))
    return folder


def _all_there(folder: Path, key: str) -> bool:
    found = {path.stem: _kept(path, key) for path in folder.glob("*.nc")}
    asked = {name for table in found.values() if table is not None for name in _made_together(table)}
    return bool(asked) and all(found.get(name) is not None for name in asked)


def _kept(path: Path, key: str | None = None) -> xr.Dataset | None:
    """A table that is whole and in its own place."""
    table = kept_table(path, key)
    return table if table is not None and table.attrs.get("table", path.stem) == path.stem else None


def _made_together(table: xr.Dataset) -> list[str]:
    return json.loads(table.attrs.get("tables", "[]"))


def kept_model_tables(directory: Path, runs: Sequence[SavedRun]) -> KeptTables:
    """The tables of all models that `directory`/models holds; of those with runs there, also what is missing.

    One that other code has made is missing too: it may lack what is drawn today. A model whose learned dynamics are
    among the runs has tables: where there is none, its folder is what is missing.
    """
    tables: dict[str, dict[str, xr.Dataset]] = {}
    missing: dict[str, list[str]] = {}
    for path in sorted((directory / "models").glob("*/*.nc")):
        table = _kept(path)
        if table is not None and table.attrs.get("code") == code_digest(model_tables):
            tables.setdefault(str(table.attrs["model"]), {})[path.stem] = table
    for name, found in tables.items():
        folder = Path("models") / name.replace("/", "-")
        asked = {each for table in found.values() for each in _made_together(table)}
        lost = sorted(asked - set(found))
        if lost:
            missing[name] = [f"{folder / each}.nc" for each in lost]
    for run in runs:
        name = str(run.facts.get("model"))
        if run.facts.get("instrument") == "probe.dynamics.layer_by_layer" and name not in tables:
            missing[name] = [str(Path("models") / name.replace("/", "-"))]
    return KeptTables({**{name: {} for name in missing}, **tables}, missing)
