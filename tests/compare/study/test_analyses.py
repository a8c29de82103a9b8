"""The tables of a model are made again where one is lost, damaged, misplaced or of other inputs; else kept."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from compare.study import analyses
from compare.study.analyses import keep_model_tables, kept_model_tables
from compare.study.results import SavedRun, Settings
from compare.study.subjects import Subject, Text

SUBJECT = Subject("./a", "a", "gpt2", "w", "files")
TEXTS = [Text("one", "One text.", "prose")]


@pytest.fixture
def keep(tmp_path, monkeypatch):
    """Keeps three small tables, and returns how often they were made."""
    made = []

    def tables(model, texts, max_tokens, seed):
        made.append(model)
        return {
            name: xr.Dataset({"value": ("layer", np.arange(9.0) + number)})
            for number, name in enumerate(("heads", "parts", "speed"))
        }

    tables.__module__ = analyses.model_tables.__module__
    monkeypatch.setattr(analyses, "model_tables", tables)
    monkeypatch.setattr(analyses, "load", lambda given: given)

    def keep(subject=SUBJECT, texts=TEXTS, max_tokens=96, seed=0):
        keep_model_tables(subject, tmp_path, texts, max_tokens, seed)
        return len(made)

    return keep


def cut(folder):
    content = (folder / "heads.nc").read_bytes()
    (folder / "heads.nc").write_bytes(content[: len(content) // 2])


def flip(folder):
    content = bytearray((folder / "heads.nc").read_bytes())
    place = content.index(np.float64(7).tobytes())
    content[place] ^= 1
    (folder / "heads.nc").write_bytes(content)


def overwrite(folder):
    (folder / "heads.nc").write_bytes((folder / "speed.nc").read_bytes())


DAMAGE = {
    "lost": lambda folder: (folder / "heads.nc").unlink(),
    "cut": cut,
    "flip": flip,
    "overwritten": overwrite,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_table_that_is_not_what_was_written_is_missed_and_made_again(keep, tmp_path, damage):
    assert [keep(), keep()] == [1, 1]
    folder = tmp_path / "models" / "a"
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(whole) == {"heads.nc", "parts.nc", "speed.nc"}
    DAMAGE[damage](folder)
    kept = kept_model_tables(tmp_path, [])
    assert kept.missing == {"a": ["models/a/heads.nc"]}
    assert set(kept.tables["a"]) == {"parts", "speed"}
    assert [keep(), keep()] == [2, 2]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert kept_model_tables(tmp_path, []).missing == {}


def test_tables_of_other_inputs_are_other_tables(keep):
    assert keep() == 1
    assert keep(replace(SUBJECT, files="other")) == 2
    assert keep() == 3
    assert keep(texts=[Text("one", "Another text.", "prose")]) == 4
    assert keep(texts=[Text("two", "One text.", "prose")]) == 5
    assert keep(max_tokens=64) == 6
    assert keep(seed=1) == 7


def test_a_model_without_any_table_is_missed_where_its_learned_dynamics_were_run(keep, tmp_path):
    facts = {"model": "a", "instrument": "probe.dynamics.layer_by_layer"}
    learned = SavedRun(tmp_path / "x.nc", facts, "layer", Settings())
    read = replace(learned, facts={"model": "b", "instrument": "probe.extract"})
    kept = kept_model_tables(tmp_path, [learned, read])
    assert kept.missing == {"a": ["models/a"]}
    assert kept.tables == {"a": {}}
    keep()
    assert kept_model_tables(tmp_path, [learned, read]).missing == {}


def test_tables_of_another_version_are_not_drawn(keep, tmp_path, monkeypatch):
    """They may lack what is drawn today: a KeyError in the middle of a report."""
    keep()
    learned = SavedRun(
        tmp_path / "run.nc",
        {"model": "a", "instrument": "probe.dynamics.layer_by_layer"},
        "layer",
        Settings(),
    )
    assert set(kept_model_tables(tmp_path, [learned]).tables["a"]) == {"heads", "parts", "speed"}
    monkeypatch.setattr(analyses, "code_digest", lambda maker: "another")
    kept = kept_model_tables(tmp_path, [learned])
    assert (kept.tables, kept.missing) == ({"a": {}}, {"a": ["models/a"]})
