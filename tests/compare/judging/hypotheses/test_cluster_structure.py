"""Cluster structure is seen where it is planted in a trained model, and not where tokens are a continuum."""

import numpy as np
import pytest

import compare
import probe
from compare.calibration.generator import Shape, group
from compare.calibration.registry import GENERATORS
from compare.judging.chart import Behind
from compare.judging.evidence import balance
from compare.judging.group import Group, MeasuredRun
from compare.judging.hypotheses.cluster_structure import SHARES
from compare.judging.limits import HOLD, plants
from compare.judging.reach import COARSE
from compare.judging.registry import HYPOTHESES
from compare.metrics.calibrated.held_out import CLUSTERS, VARIABLES, HeldOut
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.planting import planted
from compare.study.subjects import default_texts
from tests.helpers.judged_runs import RUNS, TOKENS, measured, random, trajectory

FEW_DRAWS = 2  # null draws play no part in cluster structure
P20 = HYPOTHESES["P20"]


@pytest.fixture(scope="module")
def texts():
    """Seven texts through the twelve blocks of a BERT."""
    return [probe.extract("bert-128", one.text, frame="layernorm", max_tokens=96) for one in default_texts()]


def structure(runs):
    tables = [calibrated(run, FEW_DRAWS, 0, {"base": BASE}) for run in runs]
    found = compare.judge({"runs": runs}, draws=FEW_DRAWS, measured={"runs": tables}, hypotheses="P20")
    return found.row("P20", "runs")


def test_clusters_planted_in_a_model_are_confirmed(texts):
    found = structure([planted(run, 5, 0.3, seed=seed) for seed, run in enumerate(texts)])
    assert found.verdict == "CONFIRMED", found.why
    assert ": they form" in found.why
    assert found.reach is None


def test_three_need_less(texts):
    """A fifth of the variance, judged alone: the correction hangs on what is said of H1 and H2."""
    found = structure([planted(run, 3, 0.2, seed=seed) for seed, run in enumerate(texts)])
    assert found.p < 0.025
    assert found.ci[0] > found.claimed[0]


@pytest.mark.parametrize(
    ("model", "verdict", "limit", "said"),
    [
        (
            "albert-384",
            "REFUTED",
            0.3,
            "there are no 3 to 5 clusters of 30 % of the variance or more, which would",
        ),
        (
            "bert-128",
            "UNDECIDED",
            0.4,
            "the instrument is not sure to see 3 to 5 clusters below 40 % of the variance",
        ),
    ],
)
def test_a_model_has_no_clusters_of_the_size_that_would_be_seen(model, verdict, limit, said):
    """Five clusters of 30 %, planted in its own runs: nearly all draws show them in the one, 91 of 100 in the other."""
    texts = [probe.extract(model, one.text, frame="layernorm", max_tokens=96) for one in default_texts()]
    found = structure(texts)
    assert found.verdict == verdict
    assert said in found.why
    assert found.reach is not None
    assert found.reach["limit"] == limit


def test_nothing_is_refuted_where_nothing_would_be_seen():
    """Five clusters of 30 % in three dimensions overlap."""
    found = structure(group(GENERATORS["lowd"], 5, 1, Shape(7, 48, 7)))
    assert found.verdict == "UNDECIDED"
    assert "the instrument is not sure to see 3 to 5 clusters" in found.why
    assert "none of it above 0.1, which refutes nothing" in found.why


@pytest.mark.parametrize("name", ["ring", "curve", "mean", "heavy"])
def test_continua_are_not_confirmed(name):
    found = structure(group(GENERATORS[name], 5, 0, Shape(7, 48, 7)))
    assert found.verdict != "CONFIRMED", found.why


def test_clusters_that_stand_still_are_there_and_do_not_form():
    found = structure(group(GENERATORS["frozenclus"], 5, 0, Shape(7, 48, 7)))
    assert found.verdict == "CONFIRMED"
    assert "they do not form" in found.why


def by_hand(gap, agreement, planted_gap=0.9):
    """A group whose margins without whitening are these at every k and depth, and others where clusters are planted.

    Its runs differ in dimension, so that none is whitened.
    """
    runs = []
    for place, dim in enumerate((3,) * (RUNS - 1) + (4,)):
        run = trajectory(random(2, place).standard_normal((9, TOKENS, dim)))
        table = measured(run)
        for name, number in zip(VARIABLES, (gap[place], agreement[place], 0.3)):
            table[name][:] = number
        runs.append(MeasuredRun.of(str(place), run, table))
    made = Group("by hand", tuple(runs))
    assert made.held_out is None
    margins = HeldOut(*np.full((3, RUNS, 1, len(CLUSTERS)), planted_gap))
    for share in SHARES:
        vars(plants(made, HOLD, share))["_margins"] = dict.fromkeys(range(COARSE.looks[-1]), margins)
    return made


def asked(runs):
    """The evidence, and what it weighs."""
    evidence = P20.evidence(runs, P20.at)
    return evidence, balance(evidence)


def around(mean, spread):
    return mean + spread * np.linspace(-1, 1, RUNS)


@pytest.mark.parametrize(
    ("gap", "agreement", "p"),
    [
        (around(0.5, 0.1), around(0.9, 0.05), "confirmed"),
        (around(0.5, 0.1), around(0.7, 0.05), ""),  # not found again for sure
        (around(0.1, 0.1), around(0.9, 0.05), ""),
        (around(0.5, 0.1), around(0.3, 0.05), "refuted"),
        (around(-0.2, 0.1), around(0.9, 0.05), "refuted"),
    ],
)
def test_both_gap_and_agreement_are_asked_for(gap, agreement, p):
    _, found = asked(by_hand(gap, agreement))
    assert (found.p_confirmed < 0.025) == (p == "confirmed")
    assert (found.p_refuted < 0.025) == (p == "refuted")
    _, blind = asked(by_hand(gap, agreement, planted_gap=0.0))
    assert (blind.p_confirmed, blind.p_refuted) == (
        found.p_confirmed,
        1 if p == "refuted" else found.p_refuted,
    )


def test_one_way_is_enough():
    """Three clusters are there, more are not: neither do those take them back, nor can the others be refuted alone."""
    for three, confirmed in ((around(0.5, 0.1), True), (around(0.1, 0.2), False)):
        runs = by_hand(three, around(0.9, 0.05))
        for run in runs.runs:
            run.measured["held_out_gap"][:, 1:] = -0.2
        evidence, found = asked(runs)
        assert (found.p_confirmed < 0.025) == confirmed
        assert found.p_refuted > 0.1
        assert "sought as 3 clusters, not whitened," in evidence.note


def test_numbers_of_clusters_that_a_run_is_too_small_for_are_left_out():
    runs = by_hand(around(0.5, 0.1), around(0.9, 0.05))
    few = runs.runs[3].measured
    for name in VARIABLES:
        few[name][:, -2:] = np.nan
    assert np.isfinite(asked(runs)[0].guard)


def test_the_chart_shows_late_and_first_depth_and_every_run():
    tables = {}
    for run in by_hand(around(0.5, 0.1), around(0.9, 0.05)).runs:
        run.measured["held_out_gap"][0] = -0.1
        tables[run.label] = run.measured.assign_coords(clusters=[*CLUSTERS])
    assert P20.chart is not None
    chart = P20.chart(Behind("net", tables, {}))
    assert chart is not None
    late, first, *each = chart.series
    np.testing.assert_allclose(np.asarray(late.y), 0.5, atol=1e-12)
    np.testing.assert_allclose(np.asarray(first.y), -0.1, atol=1e-12)
    np.testing.assert_allclose([np.asarray(one.y)[0] for one in each], around(0.5, 0.1), atol=1e-12)
    np.testing.assert_array_equal(np.asarray(late.x), CLUSTERS)
