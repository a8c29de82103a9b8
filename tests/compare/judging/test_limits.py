"""Clusters planted in the runs of a group say what its rules see, and nothing is refuted that they do not."""

import gc
import json
import pickle
import weakref
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

import compare
import probe
import sim
from compare.calibration.generator import Shape, group
from compare.calibration.registry import GENERATORS
from compare.judging.evidence import Claim, Evidence
from compare.judging.groups import groups_of
from compare.judging.judge import answers, decided
from compare.judging.limits import HOLD, STAGE, Plants, confirming, plants, within_reach
from compare.judging.registry import HYPOTHESES, chosen
from compare.metrics.calibrated.held_out import blurred
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.calibrated.whitening import POWERS, held_out_of_clouds
from compare.metrics.exclusions import apply, exclude, recorded
from compare.metrics.planting import planted
from compare.study.subjects import default_texts
from sim.sphere import normalise

FEW_DRAWS = 19
ROWS = ("H1", "H2")
AT = {"matters": 0.65, "close": 0.2}


@pytest.fixture(scope="module")
def texts():
    """Seven texts through the twelve blocks of a BERT."""
    return [probe.extract("bert-128", one.text, frame="layernorm", max_tokens=96) for one in default_texts()]


@pytest.fixture(scope="module")
def tables(texts):
    """What is measured on them."""
    return measured(texts)


def measured(runs):
    return [calibrated(run, FEW_DRAWS, 0, {"base": BASE}) for run in runs]


def judged(runs, *asked, tables=None):
    known = {"runs": tables or measured(runs)}
    return compare.judge({"runs": runs}, draws=FEW_DRAWS, measured=known, hypotheses=asked or ROWS)


def made(runs, tables):
    """The runs as one group."""
    (found,) = groups_of({"runs": runs}, {"runs": tables}, {}, 0, FEW_DRAWS, list)
    return found


def test_what_is_planted_is_confirmed_by_both_rows(texts):
    clustered = [planted(run, share=0.8, seed=place) for place, run in enumerate(texts)]
    found = judged(clustered)
    for name in ROWS:
        row = found.row(name, "runs")
        assert (row.verdict, row.reach) == ("CONFIRMED", None), row.why


def test_a_model_is_refuted_as_far_as_the_same_rules_see_in_it(texts, tables):
    found = judged(texts, tables=tables)
    for name in ROWS:
        row = found.row(name, "runs")
        assert row.verdict == "REFUTED", row.why
        assert row.reach is not None
        assert row.reach["limit"] == 0.65
        assert "of 65 % of the variance or more, which would have been seen here" in row.why
    assert found.to_json() == judged(texts, tables=tables).to_json()


def test_groups_are_asked_anywhere_in_any_order_with_the_same_table(texts, tables):
    parts = {"all": texts, "all but one": texts[1:]}
    known = {"all": tables, "all but one": tables[1:]}
    groups, asked = groups_of(parts, known, {}, 0, FEW_DRAWS, list), chosen(["H1", "H4"])
    told = [pickle.loads(pickle.dumps(answers(group, asked))) for group in reversed(groups)]
    elsewhere = decided(groups, told, 0, FEW_DRAWS, asked).to_json()
    here = compare.judge(parts, draws=FEW_DRAWS, measured=known, hypotheses=["H1", "H4"])
    assert elsewhere == here.to_json()
    assert '"reach": {' in elsewhere


@pytest.mark.parametrize("name", ["lowd"])
def test_where_nothing_would_be_seen_nothing_is_refuted(name):
    found = judged(group(GENERATORS[name], 5, 1, Shape(7, 48, 7)))
    for row in (found.row(one, "runs") for one in ROWS):
        assert row.verdict == "UNDECIDED", row.why
        assert "the instrument is not sure to see 5" in row.why
        assert "of the variance here" in row.why


def beside_controls(runs):
    """The runs as those of a model, with controls that are as they are."""
    facts = {
        "net": {"init": "trained", "control": None},
        "random": {"init": "random", "control": None},
        "shuffled": {"init": "trained", "control": "shuffled"},
    }
    return {
        name: [
            replace(run, provenance=run.provenance | own | {"model": "net", "prompt": f"text {place}"})
            for place, run in enumerate(runs)
        ]
        for name, own in facts.items()
    }


def learned(runs, tables):
    groups = beside_controls(runs)
    known = dict.fromkeys(groups, tables)
    row = compare.judge(groups, draws=FEW_DRAWS, measured=known, hypotheses="H7").row("H7", "net")
    assert row.reach is not None
    assert row.reach["sought"] == "5 learned tight clusters"
    return row, row.reach["limit"]


def test_learned_clusters_are_refuted_as_far_as_they_are_seen_in_the_trained_runs_alone(texts, tables):
    row, limit = learned(texts, tables)
    assert (row.verdict, limit) == ("REFUTED", 0.65), row.why


def test_where_learned_clusters_would_not_be_seen_they_are_not_refuted():
    runs = group(GENERATORS["lowd"], 5, 1, Shape(7, 48, 7))
    row, _ = learned(runs, measured(runs))
    assert row.verdict == "UNDECIDED"
    assert "the instrument is not sure to see 5 learned tight clusters" in row.why


def evidence(mean):
    return Evidence((Claim("excess", "nat", mean + np.linspace(-0.1, 0.1, 7), low=0.25),), tuple("abcdefg"))


def test_nothing_is_planted_where_nothing_would_be_refuted(texts, tables):
    def confirms(share, draw):
        pytest.fail(f"planted {share} in draw {draw}")

    for mean in (0.25, 1.0):
        untouched = evidence(mean)
        assert (
            within_reach(untouched, made(texts, tables), AT, "clusters", confirms, "late_closeness")
            is untouched
        )


@pytest.mark.parametrize("size", [2, 3])
def test_many_small_clusters_are_not_refuted(texts, size):
    """Too many and too small to be counted, they are seen by how near tokens are to their nearest neighbour."""
    many = [
        planted(run, groups=int(exclude(run).kept.sum()) // size, share=0.8, seed=place)
        for place, run in enumerate(texts)
    ]
    found = judged(many, *ROWS, "P20")
    for name in (*ROWS, "P20"):
        row = found.row(name, "runs")
        assert row.verdict == "UNDECIDED", row.why
        assert "they may gather in more and smaller clusters than are sought here" in row.why
        assert row.reach is None


@pytest.mark.parametrize(
    ("depths", "hold", "stage"),
    [
        (13, (1, 4, 24, 36), (1, 4, 9, 11)),
        (7, (0, 2, 12, 18), (0, 2, 4, 6)),
        (6, (0, 2, 10, 15), (0, 2, 4, 5)),
    ],
)
def test_courses_are_parts_of_the_depth(depths, hold, stage):
    assert tuple(HOLD.places(depths).values()) == hold
    assert tuple(STAGE.places(depths).values()) == stage


@pytest.mark.parametrize("course", [HOLD, STAGE])
@pytest.mark.parametrize("depths", range(2, 40))
def test_a_course_has_places_in_order_at_any_depth(course, depths):
    start, full, until, gone = course.places(depths).values()
    assert 0 <= start < full <= until < gone
    assert start < depths - 1


def test_every_run_and_draw_has_other_clusters_and_the_same_seed_the_same(texts, tables):
    runs = made(texts, tables)
    some = plants(runs, HOLD, 0.9)
    clouds = [some.points(place, draw).tobytes() for draw in range(2) for place in range(len(texts))]
    assert len(set(clouds)) == 2 * len(texts)
    again = Plants(runs, HOLD, 0.9)
    assert [again.points(place, 1).tobytes() for place in range(len(texts))] == clouds[len(texts) :]
    assert plants(runs, HOLD, 0.9) is some
    excess = [run.number("late_excess") for run in some.with_lives(1).runs]
    assert min(excess) > 0.5
    assert [run.number("late_excess") for run in again.with_lives(1).runs] == excess


def test_what_is_planted_in_a_group_is_what_is_planted_in_its_runs(texts, tables):
    """Of the kept tokens, in the coordinates that are kept; to rounding."""
    some = plants(made(texts, tables), STAGE, 0.8)
    for place, run in enumerate(texts):
        seed = crc32(f"0 2 {place}".encode())
        whole = planted(run, 5, 0.8, **STAGE.places(len(run.points)), seed=seed)
        excluded = exclude(whole)._replace(rogue=recorded(tables[place]).rogue)
        assert len(excluded.rogue)
        np.testing.assert_allclose(some.points(place, 2), apply(whole, excluded), atol=1e-13)


def test_margins_of_a_draw_are_those_of_its_points(texts, tables):
    """Where runs have other rogue coordinates, they are compared in those that all of them have."""
    tables = [
        table.assign_attrs(treatment=json.dumps(json.loads(table.attrs["treatment"]) | {"rogue": rogue}))
        for table, rogue in zip(tables, ([1], [2, 3], [], [1], [1], [2], []))
    ]
    some = plants(made(texts, tables), HOLD, 0.3)
    assert {len(run.coordinates) for run in some.unplanted.runs} == {126, 127, 128}
    clouds = []
    for place, run in enumerate(some.unplanted.runs):
        whole = np.zeros((run.kept.sum(), 128))
        whole[:, run.coordinates] = some.points(place, 1)[-1]
        clouds.append(blurred(normalise(np.delete(whole, [1, 2, 3], axis=1)), 0, 12))
    expected = held_out_of_clouds(clouds, (0.0, *POWERS))
    found = some.margins(1)
    assert found is not None
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_null_draws_of_one_plant_serve_the_others(texts, tables):
    """Their covariances differ by chance, which moves the excess of a run by a fiftieth of it."""
    some = plants(made(texts, tables), HOLD, 0.65)
    shared = np.array([run.number("late_excess") for run in some.with_lives(1).runs])
    clouds = [some.points(place, 1) for place in range(len(texts))]
    own = [
        calibrated(sim.Trajectory(each, range(len(each)), axis="layer"), 99, 0, {"base": BASE})
        for each in clouds
    ]
    np.testing.assert_allclose(shared, [float(table["late_excess"][0]) for table in own], atol=0.03)  # 3 sd


def test_tokens_that_have_met_are_one_cluster_and_need_no_plants():
    """Within a hundredth of their mean over the last third of the depths: at twice that, what is there is asked."""
    for width, reached in ((0.005, False), (0.02, True)):
        clouds = (
            np.random.default_rng(0).standard_normal((7, 1, 48, 8))
            * np.geomspace(0.3, width, 9)[:, None, None]
        )
        clouds[:, -3:] *= width / np.linalg.norm(clouds[:, -3:], axis=-1).mean()
        runs = [sim.Trajectory(normalise(np.eye(8)[0] + cloud), range(9), axis="layer") for cloud in clouds]
        row = judged(runs, "H1").row("H1", "runs")
        assert ("which is one cluster" in row.why) != reached
        assert (row.reach is not None) == reached
        assert reached or row.verdict == "REFUTED"


def test_draws_that_were_judged_keep_no_points(texts, tables):
    """Of 15 texts of a language model under 12 changes these were 6 GB."""
    group = made(texts, tables)
    assert confirming(HYPOTHESES["H1"].evidence, group, HYPOTHESES["H1"].at, HOLD)(0.65, 0) < 0.025
    (kept,) = (plant.with_lives(0) for plant in group.planted.values())
    arrays = [np.size(value) for run in kept.runs for value in (run.planted or {}).values()]
    assert len(arrays) > 10 * len(kept.runs)
    assert max(arrays) <= 9 * 13  # null draws times depths
    assert not [run for run in kept.runs if {"points", "trajectory"} & set(vars(run))]


def test_the_judge_keeps_nothing_of_what_it_planted(texts, tables, monkeypatch):
    """Plants know their group and it knows them: without the collector, 50 MB stayed of each group of a calibration."""
    kept = []

    def remembered(*arguments):
        made = Plants(*arguments)
        kept.append(weakref.ref(made))
        return made

    monkeypatch.setattr("compare.judging.limits.Plants", remembered)
    gc.collect()
    gc.disable()
    try:
        judged(texts, tables=tables)
        assert len(kept) > 1
        assert not [one for one in kept if one() is not None]
    finally:
        gc.enable()
