"""The explorer's page: which runs are in it, that text stays text, and what is refused."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import sim
from compare.reporting import explorer
from compare.reporting.explorer import explore, in_turn
from compare.reporting.explorer_data import MOST_CHORDS, MOST_TOKENS, embedded
from compare.study.results import LeftOutWarning, read_run, run_paths
from sim.sphere import normalise

NASTY = "</script><b>'\"&<!--"


def cloud(depths=4, tokens=6, axis="layer", **facts):
    points = normalise(np.random.default_rng(0).standard_normal((depths, tokens, 5)))
    names = [NASTY, *map(str, range(tokens - 1))]
    return sim.Trajectory(points, np.arange(depths), axis=axis, tokens=names, provenance=facts)


@pytest.fixture
def folder(tmp_path):
    for seed in range(3):
        run = cloud(axis="time", label=f"SA, seed {seed}", group="SA", beta=4.0)
        run.save(tmp_path / "runs" / f"sa-{seed}.nc")
    cloud(label=NASTY, group=NASTY, model=NASTY, init="trained", frame="layernorm").save(
        tmp_path / "runs" / "model.nc"
    )
    return tmp_path


class Elements(HTMLParser):
    """The tags of a page, and the text of its data."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = dict(attrs).get("id") == "data"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


def test_text_stays_text(folder):
    page = explore(folder).page.read_text("utf-8")
    read = Elements(page)
    assert "b" not in read.tags
    assert "</script><b>" not in page
    runs = json.loads(read.data)["runs"]
    model = next(run for run in runs if run["label"] == NASTY)
    assert model["tokens"][0] == NASTY
    assert model["unit"] == "layer"
    assert model["beta"] is None


def test_nothing_is_fetched(folder):
    page = explore(folder).page.read_text("utf-8")
    assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not an address
    assert not re.search(r"\b(src|href)=|@import|url\(|fetch\(|XMLHttpRequest", page)


def test_groups_take_turns(folder):
    runs = [read_run(path) for path in run_paths(folder)]
    assert [run.label for run in in_turn(runs)] == ["SA, seed 0", NASTY, "SA, seed 1", "SA, seed 2"]


def test_what_does_not_fit_is_left_out(folder, monkeypatch):
    assert len(explore(folder).included) == 4
    monkeypatch.setattr(explorer, "MOST_BYTES", 1000)
    found = explore(folder)
    assert (found.included, found.total) == (("SA, seed 0",), 4)
    assert explore(folder, [NASTY, "sa-2"]).included == (NASTY, "SA, seed 2")  # chosen ones are taken


def test_long_runs_are_thinned():
    one = embedded(cloud(depths=40, tokens=MOST_TOKENS + 9), "long", "trained")
    pairs = MOST_TOKENS * (MOST_TOKENS - 1) // 2
    assert len(one["tokens"]) == MOST_TOKENS
    assert len(one["depths"]) == MOST_CHORDS // pairs < 40
    assert one["depths"][0] == 0
    assert one["depths"][-1] == 39
    assert f"{MOST_TOKENS} of them here; {len(one['depths'])} of 40 depths" in one["facts"]


def test_masses_and_log_times():
    masses, facts = [0.5, 0.25, 0.25], {"depth": "log t", "beta": 20.0}
    run = sim.Trajectory(np.stack([np.eye(3)] * 2), [-1.0, 5.0], masses=masses, provenance=facts)
    one = embedded(run, "tree", "theory")
    assert embedded(cloud(beta=float("nan")), "odd", "theory")["beta"] is None
    assert one["masses"] == [0.5, 0.25, 0.25]
    assert (one["unit"], one["depths"], one["beta"]) == ("log t", [-1.0, 5.0], 20.0)


def test_a_damaged_file_is_left_out_and_none_is_an_error(folder, tmp_path):
    (folder / "runs" / "broken.nc").write_text("no NetCDF")
    with pytest.warns(LeftOutWarning, match=r"broken\.nc"):
        assert explore(folder).total == 4
    for path in run_paths(folder):
        if path.name != "broken.nc":
            path.unlink()
    with pytest.raises(ValueError, match=r"broken\.nc"):
        explore(folder)
