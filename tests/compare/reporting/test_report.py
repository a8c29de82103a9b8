"""The report: pages that need nothing else, every verdict on them, nothing of a prompt taken for markup."""

import json
import posixpath
import re
import shutil
from functools import wraps
from html import unescape

import numpy as np
import pytest
import xarray as xr

import compare
from compare.judging.chart import Behind
from compare.judging.registry import HYPOTHESES
from compare.judging.verdicts import Verdicts
from compare.reporting.evidence import beta_range, hypothesis_page, per_run, pictures
from compare.reporting.page import number, repeating
from compare.reporting.part_charts import divergence_caption, norm_charts
from compare.reporting.verdict_table import anchor, effect_in_words, measures, size
from compare.study.measuring import measure_run
from compare.study.results import SavedRun, Settings, read_run
from sim import Trajectory
from tests.helpers.few_draws import few_draws
from tests.helpers.report_runs import NASTY, model_runs, report_of_all

DRAWS = 19
NOTHING = Behind("SA", {}, {})


@pytest.fixture(scope="module", autouse=True)
def quick():
    """The pages are asked about here, and not how far a verdict reaches."""
    with few_draws():
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report")
    path = report_of_all(directory, DRAWS)
    return directory, path.read_text(encoding="utf-8")


def texts(directory):
    """The text of every page by its path from the folder of results."""
    paths = [directory / "report.html", *(directory / "report").glob("*.html")]
    return {path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_pages_need_nothing_but_each_other(written):
    pages = texts(written[0])
    assert len(pages) > len(HYPOTHESES)
    for path, page in pages.items():
        here = "" if path == "report.html" else "../"
        own = rf"(src|href)=[\"'](?!data:|#|{here}report|definitions\.html#|explore\.html\")"
        assert not re.search(own, page), path
        assert "@import" not in page
        assert not re.search(r"url\((?!#)", page)
        bare = re.sub(r"data:image/svg\+xml;base64,[^\"]*", "", page)
        assert "http" not in bare, path


def test_scripts_are_ours_alone(written):
    pages = texts(written[0])
    players = 0
    for page in pages.values():
        scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
        players += page.count('class="player"')
        assert len(scripts) == page.count('class="player"') + 1
        for data in scripts[:-1]:
            assert set(json.loads(data)) == {"depths", "points"}
        assert NASTY not in page
    assert players == 2
    assert sum(page.count("&lt;script&gt;") for page in pages.values()) > 10


def test_every_verdict_is_on_the_page_of_its_hypothesis_with_its_reason(written):
    directory, _ = written
    pages = texts(directory)
    rows = json.loads((directory / "verdicts.json").read_text())["rows"]
    assert {row["group"] for row in rows} == {"SA, beta 9", NASTY, "all models"}
    assert [row for row in rows if row["verdict"] in ("CONFIRMED", "REFUTED")]
    for row in rows:
        page = pages[f"report/{hypothesis_page(row['hypothesis'])}.html"]
        text = unescape(page)
        assert page.count(f'id="{anchor(row["hypothesis"], row["group"])}"') == 1
        assert row["why"] in text
        if row["verdict"] in ("CONFIRMED", "REFUTED"):
            assert row["treatment"] in text
            assert row["null"] in text


def test_the_first_page_counts_every_verdict_that_applies(written):
    directory, page = written
    rows = json.loads((directory / "verdicts.json").read_text())["rows"]
    applying = [row for row in rows if row["verdict"] != "NOT APPLICABLE"]
    counted = re.findall(r'<summary aria-label="[^"]*">(.*?)</summary>', page)
    chips = re.findall(r">(\S)&nbsp;(\d+)<", " ".join(counted))
    assert sum(int(count) for _, count in chips) == len(applying)
    for row in applying:
        place = f"report/{hypothesis_page(row['hypothesis'])}.html#{anchor(row['hypothesis'], row['group'])}"
        assert f'href="{place}"' in page


def test_the_command_that_repeats_a_study_asks_for_its_changes(tmp_path):
    """What is asked for beyond the usual changes is in it, and only then."""

    def command(*changes):
        runs = [
            SavedRun(
                tmp_path / "run.nc", {"model": "a b", "prompt": "x", "change": change}, "layer", Settings()
            )
            for change in changes
        ]
        return repeating(Verdicts((), {}, 3, 99), runs, "coarse")

    usual = command(None, "random weights")
    assert usual == "metasphere compare --seed 3 --draws 99 --out repeated --model 'a b'"
    assert command(None, "early feed-forward parts silent") == f"{usual} --changes all"


def test_the_command_that_repeats_a_study_names_one_s_own_models_and_texts(tmp_path):
    """Of a folder and a file only the names are known."""
    facts = {"model": "run-2", "model_place": "abc", "prompt": "my text-0a1b2c", "prompt_class": "own"}
    run = SavedRun(tmp_path / "run.nc", facts, "layer", Settings())
    found = repeating(Verdicts((), {}, 3, 99), [run], "coarse")
    assert found.endswith("--out repeated --model path/to/run-2 --file 'path/to/my text-0a1b2c'")


def test_the_command_that_repeats_a_study_asks_the_same():
    asked = Verdicts((), {"H4": {}, "H1": {}}, 3, 99)
    found = repeating(asked, [], "full")
    assert found.endswith("--out repeated --limits full --hypothesis H4 --hypothesis H1")


def links_that_lead_somewhere(directory):
    """How many links the pages have, all of which are asserted to lead somewhere."""
    pages = texts(directory)
    places = {path: set(re.findall(r'\bid="([^"]*)"', page)) for path, page in pages.items()}
    links = 0
    for path, page in pages.items():
        assert len(re.findall(r'\bid="', page)) == len(places[path]), path
        for link in re.findall(r'href="([^"]*)"', page):
            target, _, place = link.partition("#")
            to = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
            assert to in pages or (directory / to).is_file(), link
            assert not place or place in places[to], link
            links += 1
    return links


def test_every_link_leads_somewhere(written):
    assert links_that_lead_somewhere(written[0]) > 100


def test_every_page_is_one_step_from_the_first(written):
    directory, page = written
    linked = {link.partition("#")[0] for link in re.findall(r'href="([^"]*)"', page)}
    assert texts(directory).keys() - linked - {"report.html"} == set()


def test_pages_of_what_is_no_longer_there_go(written):
    directory, _ = written
    stale, foreign = (directory / "report" / name for name in ("model-9-gone.html", "notes.html"))
    for path in (stale, foreign):
        path.write_text("old")
    with pytest.MonkeyPatch.context() as here:
        here.setattr("compare.workers.MOST_PROCESSES", 1)
        compare.report(directory, draws=DRAWS)
    assert not stale.exists()
    assert foreign.read_text() == "old"
    foreign.unlink()


def test_quantities_of_one_name_keep_their_own_definitions(written):
    """Both presets measure an energy: the judge's leaves the diagonal out, the post's keeps it."""
    page = texts(written[0])["report/definitions.html"]
    said = dict(re.findall(r'<dt id="definition--(\w+)--energy">.*?</dt>\s*<dd>(.*?)<small>', page, re.S))
    assert set(said) == {"calibrated", "published"}
    assert "diagonal included" in said["published"]
    assert "diagonal included" not in said["calibrated"]


def test_charts_lead_to_the_definition_of_what_they_show(written):
    page = "".join(texts(written[0]).values())
    captions = re.findall(r"<figcaption><b>[^<]*: number of clusters\.</b>.*?</figcaption>", page, re.S)
    assert captions
    place = 'href="definitions.html#definition--calibrated--cluster_number"'
    assert all(place in caption for caption in captions)


def test_runs_that_the_study_did_not_make_have_no_command_of_it(written):
    page = "".join(texts(written[0]).values())
    assert "--group" not in page
    assert "runs that were not made by" in page


def test_lines_of_the_table_name_their_units_once():
    row = {"unit": "nat", "smallest_effect": 0.25, "effect": 0.0}
    silent = {"unit": "nat, or ratio", "smallest_effect": 0.25, "effect": None}
    assert measures([row, None, silent, row]) == ("nat; matters from 0.25",)
    assert measures([{**row, "smallest_effect": 0.0}]) == ("nat",)
    assert measures([silent]) == ()


def test_range_of_beta_of_a_group():
    runs = {str(beta): xr.Dataset(attrs={"beta": beta}) for beta in (4.0, 25.0, 9.0, 9.0, np.nan)}
    assert beta_range({"beta": 9.0}, runs) == "4 to 25"
    assert beta_range({"beta": 9.0}, {"9.0": runs["9.0"]}) == "9"
    assert beta_range({"beta": None}, runs) == "unknown"


def test_json_and_latex(written):
    directory, _ = written
    text = (directory / "verdicts.json").read_text()
    table = json.loads(text, parse_constant=pytest.fail)
    assert table["schema"] == "metasphere/verdicts/3"
    assert (table["draws"], table["seed"]) == (DRAWS, 0)
    latex = (directory / "verdicts.tex").read_text()
    assert latex.count(r"\\") == 1 + sum(row["verdict"] != "NOT APPLICABLE" for row in table["rows"])


def test_published_criteria_are_those_of_the_runs_they_apply_to(written):
    directory, _ = written
    table = json.loads((directory / "published.json").read_text(), parse_constant=pytest.fail)
    assert table["schema"] == "metasphere/published/1"
    assert {row["run"] for row in table["criteria"]} == {"SA, seed 0", f"{NASTY}, text 6, raw"}
    rows = [row for row in table["criteria"] if row["run"] == "SA, seed 0"]
    measured = compare.measure(Trajectory.load(directory / "runs" / "00.nc"), preset="published")
    own = [row for row in rows if row["rule_by"] == "theory"]
    assert [row["met"] for row in own] == [True]  # the theorem, checked at the run's own beta
    published = [(row["statement"], row["met"]) for row in rows if row not in own]
    assert published == [(one.statement, one.met) for one in compare.published_criteria(measured)]


def test_only_what_is_damaged_is_measured_again_and_the_page_is_the_same(written, monkeypatch):
    directory, page = written
    kept = directory / "measured" / "00.calibrated.nc"
    kept.write_bytes(kept.read_bytes()[:500])
    again = []
    monkeypatch.setattr("compare.workers.MOST_PROCESSES", 1)

    @wraps(measure_run)
    def counted(trajectory, preset, **random):
        again.append(preset)
        return measure_run(trajectory, preset, **random)

    monkeypatch.setattr("compare.study.results.measure_run", counted)
    assert compare.report(directory, draws=DRAWS).read_text(encoding="utf-8") == page
    assert again == ["calibrated"]
    assert not [path for path in directory.rglob("*") if path.name.startswith(".")]


def test_some_hypotheses_are_asked_and_the_pages_on_others_go(written, tmp_path, monkeypatch):
    monkeypatch.setattr("compare.workers.MOST_PROCESSES", 1)
    directory = tmp_path / "some"
    shutil.copytree(written[0], directory)
    page = compare.report(directory, draws=DRAWS, hypotheses=["H1", "H4"]).read_text(encoding="utf-8")
    table = json.loads((directory / "verdicts.json").read_text())
    assert {row["hypothesis"] for row in table["rows"]} == set(table["thresholds"]) == {"H1", "H4"}
    assert {path.name for path in (directory / "report").glob("hypothesis-*")} == {
        "hypothesis-h1.html",
        "hypothesis-h4.html",
    }
    assert "each corrected for all: " in page
    repeat = (directory / "report" / "repeat.html").read_text(encoding="utf-8")
    assert "--hypothesis H1 --hypothesis H4" in repeat
    assert links_that_lead_somewhere(directory) > 20
    with pytest.raises(ValueError, match="no hypothesis 'H0'"):
        compare.report(directory, draws=DRAWS, hypotheses="H0")


def test_other_draws_are_other_measurements(written):
    directory, _ = written
    run = read_run(directory / "runs" / "00.nc", Settings(draws=21))
    before = (directory / "measured" / f"{run.path.stem}.calibrated.nc").read_bytes()
    assert run.measured("calibrated").sizes["draw"] == 21
    assert (directory / "measured" / f"{run.path.stem}.calibrated.nc").read_bytes() != before


def test_runs_that_no_hypothesis_speaks_of(tmp_path):
    """A raw run alone is measured by the published definitions, and the page says that nothing was judged."""
    list(model_runs())[-1].save(tmp_path / "runs" / "one.nc")
    page = compare.report(tmp_path, draws=DRAWS).read_text(encoding="utf-8")
    assert "No run of this folder can be judged" in page
    assert json.loads((tmp_path / "verdicts.json").read_text())["rows"] == []


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs"):
        compare.report(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "smallest", "said"),
    [
        (-7.11e-5, 0.25, "0.00"),
        (-9.65e-7, 0.05, "0.000"),
        (8.5e-15, 0.05, "0"),
        (0.9659, 0.25, "0.97"),
        (-0.00499, 0.1, "-0.005"),
        (83.611, 0.2, "83.6"),
        (245.21, 20.0, "245"),
        (-0.693147, 0.0, "-0.693"),
        (0.29329, None, "0.293"),
    ],
)
def test_effects_are_no_finer_than_what_matters(value, smallest, said):
    assert size(value, smallest) == said


@pytest.mark.parametrize(
    ("effect", "ci", "said"),
    [
        (0.0, (-0.0031, 0.002), "within 0.003 of 0"),
        (0.001, (-0.0031, 0.02), "0.00 [0.00, 0.02]"),
        (0.5, (0.4, None), "0.50 [0.40, \u221e]"),
        (0.5, (None, 0.6), "0.50 [\u2212\u221e, 0.60]"),
    ],
)
def test_effects_without_a_digit_that_matters_say_how_small_they_are(effect, ci, said):
    assert effect_in_words({"effect": effect, "ci": ci, "smallest_effect": 0.25}) == said


def test_missing_numbers_are_a_dash():
    assert [number(None), number(float("nan")), number(np.float64(0.25))] == ["&ndash;", "&ndash;", "0.25"]


def test_values_that_a_slope_is_fitted_to_are_not_called_effects():
    """A slope has one effect, of all runs together: no figure shows the runs beside its bound."""
    row = {"hypothesis": "H3", "group": "SA", "unit": "nat", "values": [15.0, 154.0], "ci": [0.9, 1.0]}
    row |= {"claimed": [0.25, None], "labels": ["a", "b"]}
    fitted = {name: one for name, one in HYPOTHESES.items() if one.fitted}
    assert set(fitted) == {"H3", "P9"}
    for hypothesis in fitted.values():
        for statistic, said in hypothesis.fitted.items():
            assert statistic in hypothesis.statistic
            slope = row | {"statistic": statistic}
            assert pictures(slope, hypothesis, NOTHING) == []
            assert per_run(slope, hypothesis) == said
    ratio = row | {"statistic": "median life of the first plateau over the time to form it"}
    assert len(pictures(ratio, HYPOTHESES["H3"], NOTHING)) == 1
    assert per_run(ratio, HYPOTHESES["H3"]) == "Effect of every run"


def diverging(*, depths, differences):
    """Texts that diverge from idealised blocks by their difference at each depth, with no closed form beside it."""
    model, blocks = np.zeros_like(differences), np.array(differences)
    runs = np.stack([model, blocks, np.full_like(blocks, np.nan)], axis=1)
    against = ["idealised blocks", "closed form"]
    texts = len(depths)
    names = np.array([["feed_forward" if depth == depth else "", ""] for depth in depths])
    return xr.Dataset(
        {
            "energy": (("text", "run", "depth"), runs),
            "parting_depth": (
                ("text", "against", "quantity"),
                np.stack([depths, np.full(texts, np.nan)], axis=1)[:, :, None],
            ),
            "leading_part": (("text", "against", "quantity"), names[:, :, None]),
        },
        coords={"run": ["model", *against], "against": against, "quantity": ["energy"]},
        attrs={"tolerance": 0.1},
    )


@pytest.mark.parametrize(
    ("depths", "differences", "said"),
    [
        (
            [np.nan, 1.0, 3.0],
            [[0.0, 0.0], [0.0, 0.2], [0.0, 0.2]],
            "parts from the idealised blocks in 2 of 3 texts, at layer 2 (their median), "
            "mostly by its feed-forward part",
        ),
        (
            [np.nan, np.nan],
            [[0.0, 0.09], [0.05, 0.0]],
            "never parts from the idealised blocks by more than 0.1",
        ),
        (
            [np.nan, np.nan],
            [[0.0, 0.09], [0.3, 0.0]],
            "is within 0.1 of the idealised blocks again at the last layer",
        ),
    ],
)
def test_the_caption_of_a_divergence(depths, differences, said):
    """A closed form that does not exist is not spoken of, and coming back is not staying."""
    diverged = diverging(depths=depths, differences=differences)
    assert divergence_caption(diverged, "energy") == f"The model {said}."


@pytest.mark.parametrize(("last", "said"), [(1.0, "factor of up to 1."), (2000.0, "factor of up to 2e+03.")])
def test_the_caption_of_the_invariant_says_how_far_it_is_from_flat(last, said):
    """It stood over a curve that rose 2,000-fold and called it conserved."""
    values = {name: (("text", "depth"), [[1.0, 1.0, last]] * 2) for name in ("gap", "radius", "product")}
    table = xr.Dataset(values, coords={"depth": [0, 1, 2]})
    (chart,) = norm_charts("net", table)
    assert chart.caption.endswith(said)
