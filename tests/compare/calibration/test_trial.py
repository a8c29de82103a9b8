"""The whole pipeline on runs of known truth, and the runner and the summary that count how often it is right."""

import json
from functools import cache
from itertools import islice

import numpy as np
import pytest
from scipy.stats import binomtest

import compare
from compare.calibration import GENERATORS, calibrate
from compare.calibration.generator import Shape, group
from compare.calibration.summary import rows, summary, truth
from compare.judging.verdicts import Verdict, Verdicts
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE

DRAWS = 29


@pytest.fixture(scope="module")
def verdict():
    """Verdict of the judge on one group of nine runs of a generator; each is measured once, and asked one question."""

    @cache
    def measured(name):
        parts = {}
        for run in group(GENERATORS[name], 11, 0, Shape(9, 40, 9)):
            parts.setdefault(run.provenance.get("part", "group"), []).append(run)
        tables = {
            part: [calibrated(run, DRAWS, 0, {"base": BASE}) for run in runs] for part, runs in parts.items()
        }
        return parts, tables

    def of(name, hypothesis):
        parts, tables = measured(name)
        found = compare.judge(parts, draws=DRAWS, measured=tables, hypotheses=hypothesis)
        return found.row(hypothesis, "group").verdict

    return of


def test_caps_that_melt_late_on_a_log_axis_are_no_plateau(verdict):
    assert verdict("vneg_caps", "H2") in ("REFUTED", "UNDECIDED")
    assert verdict("vneg_caps", "H4") == "REFUTED"


def test_static_clusters_with_jitter_have_no_dynamics(verdict):
    for hypothesis in ("H1", "H2", "H3", "H4"):
        assert verdict("frozenclus", hypothesis) == "NOT APPLICABLE"


def test_clusters_whose_members_change_form_but_do_not_persist(verdict):
    assert verdict("churn", "H1") == "CONFIRMED"
    assert verdict("churn", "H2") == "UNDECIDED"  # among clusters that are there, planted ones are not seen


@pytest.mark.parametrize(
    ("name", "said"), [("ring", "UNDECIDED"), ("heavy", "UNDECIDED"), ("student", "UNDECIDED")]
)
def test_an_arc_a_core_with_a_halo_and_heavy_tails_are_no_clusters(verdict, name, said):
    """On the circle planted clusters overlap, and are not seen, among heavy tails not in every draw; in a core tokens
    are as near as in small clusters.
    """
    assert verdict(name, "H1") == said


def test_a_growing_mean_raises_the_energy_and_makes_no_clusters(verdict):
    assert verdict("mean", "H1") == "UNDECIDED"  # planted clusters are seen from 90 % of the variance on
    assert verdict("mean", "H4") == "CONFIRMED"


def test_mergers_without_a_scale_are_not_two_time_scales(verdict):
    assert verdict("scalefree", "H3") != "CONFIRMED"
    assert verdict("scalefree_sweep", "H3") != "CONFIRMED"


def test_a_fall_is_weighed_by_its_share_of_the_energy_s_changes(verdict):
    assert verdict("fall_0.02", "H4") == "CONFIRMED"
    assert verdict("fall_0.1", "H4") == "REFUTED"


def test_attention_confirms_what_theory_proves_of_it(verdict):
    for hypothesis in ("H1", "H2", "H4", "H6"):
        assert verdict("caps", hypothesis) == "CONFIRMED"


def test_a_still_cloud_in_a_turning_frame_has_no_dynamics(verdict):
    assert verdict("rotating", "H1") == "NOT APPLICABLE"


def test_clusters_that_random_weights_have_too_are_not_learned(verdict):
    assert verdict("learned", "H7") == "CONFIRMED"
    assert verdict("unlearned", "H7") != "CONFIRMED"


@pytest.fixture
def cheap(monkeypatch):
    """A judge that confirms H1 where points move far, in no time, and counts its calls."""
    words = {
        "statement": "",
        "statistic": "",
        "unit": "",
        "null": "",
        "treatment": "",
        "source": "",
        "why": "moved",
    }
    calls = []

    def judge(parts, *, seed, draws, measured):
        assert seed == 0
        assert measured.keys() == parts.keys()
        (runs,) = parts.values()
        calls.append(runs[0].provenance["label"])
        moved = float(np.linalg.norm(runs[0].points[-1] - runs[0].points[0], axis=1).mean())
        row = Verdict(
            hypothesis="H1",
            group="group",
            verdict="CONFIRMED" if moved > 0.5 else "REFUTED",
            effect=moved,
            ci=(moved, float("nan")),
            smallest_effect=0.5,
            claimed=(0.5, float("inf")),
            p=float(draws),
            q=1.0,
            runs=len(runs),
            labels=(),
            values=(),
            robustness=(),
            agreement=1.0,
            beta=1.0,
            reach=None,
            **words,
        )
        return Verdicts((row,), {}, 0, draws)

    monkeypatch.setattr("compare.calibration.one_group.judge", judge)
    return calls


# Four groups in all: few enough to stay in this process, where the judge is replaced.
ARGUMENTS = {"groups": 2, "size": 3, "tokens": (8, 12), "draws": 4, "seed": 1, "names": ["mean", "frozen"]}


def test_a_run_that_was_stopped_goes_on_and_judges_nothing_twice(cheap, tmp_path):
    class Stopped(Exception):
        pass

    def stop_after_three(todo):
        yield from islice(todo, 3)
        raise Stopped

    with pytest.raises(Stopped):
        calibrate(tmp_path / "a", **ARGUMENTS, progress=stop_after_three)
    assert len(cheap) == 3
    table = calibrate(tmp_path / "a", **ARGUMENTS)
    assert len(cheap) == 4
    assert len(set(cheap)) == 4
    assert list(table["groups"].values) == [2, 2]
    again = calibrate(tmp_path / "a", **ARGUMENTS)
    assert len(cheap) == 4
    assert again.identical(table)
    whole = calibrate(tmp_path / "b", **ARGUMENTS)
    assert whole.identical(table)
    for name in ("mean", "frozen"):
        first, second = ((tmp_path / folder / "groups" / f"{name}.json").read_bytes() for folder in "ab")
        assert first == second
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["calibration.json", "groups"]
    assert sorted(path.name for path in (tmp_path / "a" / "groups").iterdir()) == ["frozen.json", "mean.json"]
    told = json.loads((tmp_path / "a" / "calibration.json").read_text())
    assert told["schema"] == "metasphere/calibration/1"
    assert {row["generator"]: row["groups"] for row in told["counts"]} == {"mean": 2, "frozen": 2}


def test_each_group_is_kept_at_once_where_nobody_follows(monkeypatch, cheap, tmp_path):
    def interrupted(do, todo):
        yield from map(do, todo[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr("compare.calibration.trial.Spread", interrupted)
    with pytest.raises(KeyboardInterrupt):
        calibrate(tmp_path, **ARGUMENTS)
    kept = [json.loads((tmp_path / "groups" / f"{name}.json").read_text()) for name in ("mean", "frozen")]
    assert [one["numbers"] for one in kept] == [[0, 1], [0]]


def test_results_of_other_arguments_are_not_mixed_in(cheap, tmp_path):
    calibrate(tmp_path, **ARGUMENTS)
    calibrate(tmp_path, **{**ARGUMENTS, "draws": 5})
    assert len(cheap) == 8
    kept = json.loads((tmp_path / "groups" / "mean.json").read_text())
    assert kept["settings"]["draws"] == 5
    assert {group["verdicts"]["H1"]["p"] for group in kept["groups"]} == {5.0}
    assert all(group["verdicts"]["H1"]["ci"][1] is None for group in kept["groups"])  # JSON has no NaN
    (tmp_path / "groups" / "mean.json").write_text("{ half")
    calibrate(tmp_path, **{**ARGUMENTS, "draws": 5})
    assert len(cheap) == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ["men"]}, "no generator 'men': choose from sa, usa"),
        ({"groups": 0}, "at least 1 group"),
        ({"tokens": ()}, "tokens=()"),
        ({"size": 1}, "size=1"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(tmp_path, change, words):
    with pytest.raises(ValueError) as error:
        calibrate(tmp_path, **{**ARGUMENTS, **change})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def _record(verdicts, plateau=0.0, descent=None, clustered=0.0):
    return {
        "plateau": plateau,
        "descent": descent,
        "clustered": clustered,
        "verdicts": {h: {"verdict": v} for h, v in verdicts.items()},
    }


def test_counts_shares_and_intervals_are_those_of_the_records():
    records = {
        "caps": [_record({"H1": "CONFIRMED"})] * 7
        + [_record({"H1": "UNDECIDED"})] * 2
        + [_record({"H1": "REFUTED"})],
        "mean": [_record({"H1": "REFUTED"})] * 4 + [_record({"H1": "CONFIRMED"})],
    }
    table = summary(records)
    caps = table.sel(generator="caps", hypothesis="H1", truth="true")
    assert caps["count"].values.tolist() == [7, 1, 2, 0]
    exact = binomtest(7, 10).proportion_ci(method="exact")
    assert caps["share"] == 0.7
    assert (float(caps["low"]), float(caps["high"])) == pytest.approx(tuple(exact), rel=1e-9)
    assert np.isnan(table["share"].sel(generator="caps", hypothesis="H1", truth="false"))
    found = {(row.claim, row.generator): row for row in rows(table)}
    assert found["power", "caps"].hits == 7
    assert found["false refuted", "caps"].hits == 1
    assert found["false alarms", "mean"][4:7] == (5, 1, 0.2)
    assert found["refuted", "mean"].hits == 4


def test_the_oracle_decides_what_is_true_of_a_group():
    h1 = [truth("bert_sa", "H1", _record({}, clustered=share)) for share in (0.0, 0.7, 0.8)]
    assert h1 == [None, None, True]
    h2 = [truth("sa", "H2", _record({}, plateau=share)) for share in (0.05, 0.2, 0.4)]
    assert h2 == [False, None, True]
    h4 = [truth("sa", "H4", _record({}, descent=share)) for share in (0.0, 0.05, 0.4, None)]
    assert h4 == [True, None, False, None]
    assert truth("sa", "P9", _record({})) is None
    assert truth("mean", "H1", _record({})) is False
