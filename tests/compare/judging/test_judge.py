"""The judge on runs whose numbers are known: rules on both sides of their bounds, and what they must survive."""

import json
from dataclasses import replace

import numpy as np
import pytest

import compare
import sim
from compare.judging.evidence import Claim, Evidence
from compare.judging.groups import groups_of
from compare.judging.hypothesis import Threshold
from compare.judging.registry import HYPOTHESES
from sim.sphere import normalise
from sim.trajectory import Trajectory
from tests.helpers.judged_runs import (
    DEPTHS,
    RUNS,
    around,
    group,
    judged,
    measured,
    model_run,
    random,
    sweep,
    trajectory,
)


@pytest.mark.parametrize(
    ("late", "gain", "verdict"),
    [
        (1.0, 1.0, "CONFIRMED"),
        (1.0, 0.0, "REFUTED"),
        (0.0, 0.0, "REFUTED"),
        (1.0, 0.25, "UNDECIDED"),
        (0.27, 1.0, "UNDECIDED"),
    ],
)
def test_clusters_must_be_there_late_and_be_gained(late, gain, verdict):
    row = judged({"runs": group(late=around(late), gain=around(gain))}).row("H1", "runs")
    assert row.verdict == verdict
    bound = min(late, gain)
    np.testing.assert_allclose(row.effect, bound if verdict != "CONFIRMED" else 1, rtol=1e-12)
    assert row.ci[0] < row.effect < row.ci[1]
    assert row.smallest_effect == 0.25
    assert f"{row.effect:.3g}" in row.why


def test_an_effect_that_is_real_and_too_small_is_refuted():
    """t against 0 would be 60 standard errors; the bound is what matters, not 0."""
    row = judged({"runs": group(late=around(0.1, 0.01), gain=around(0.1, 0.01))}).row("H1", "runs")
    assert row.verdict == "REFUTED"


@pytest.mark.parametrize(("gate", "applies"), [(3.0, True), (0.5, False), (np.nan, False), (-3.0, False)])
def test_without_dynamics_nothing_is_said(gate, applies):
    found = judged({"runs": group(late=around(1), gain=around(1), share=around(0.5), stage=1.0, gate=gate)})
    verdicts = {name: found.row(name, "runs").verdict for name in ("H1", "H2", "H4")}
    # the energies put in rise in every run
    everything = {"H1": "CONFIRMED", "H2": "CONFIRMED", "H4": "CONFIRMED"}
    assert verdicts == (everything if applies else dict.fromkeys(everything, "NOT APPLICABLE"))
    for name in verdicts:
        assert ("no dynamics" in found.row(name, "runs").why.lower()) != applies
    assert found.row("H3", "runs").verdict == "NOT APPLICABLE"  # there is no scale of beta among these runs


def test_five_runs_are_not_enough():
    row = judged({"runs": group(size=5, late=1.0, gain=1.0)}).row("H1", "runs")
    assert row.verdict == "NOT APPLICABLE"
    assert "at least 6 prompts or seeds, got 5" in row.why


def test_plateaus_and_their_binomial_guard():
    """Shares that are all 0 have an interval of no width: only the number of runs speaks."""
    assert judged({"runs": group(share=around(0.5), stage=1.0)}).row("H2", "runs").verdict == "CONFIRMED"
    assert judged({"runs": group(share=0.0)}).row("H2", "runs").verdict == "REFUTED"
    mixed = [0.0] * 5 + [0.25] * 4
    row = judged({"runs": group(share=np.array(mixed) - 0.1, stage=1.0)}).row("H2", "runs")
    assert row.verdict == "UNDECIDED"


def test_plateaus_need_clusters_as_clear_as_those_that_form():
    row = judged({"runs": group(share=around(0.5), stage=around(0.1))}).row("H2", "runs")
    assert row.verdict == "UNDECIDED"
    assert (row.smallest_effect, row.claimed) == (0.25, (0.25, np.inf))
    assert row.statistic == "excess of cluster life over the best third of the depths"


RISE = np.linspace(0.1, 0.5, DEPTHS)


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        (RISE, "CONFIRMED"),
        (RISE[::-1], "REFUTED"),
        (RISE - 1e-7 * np.arange(DEPTHS) % 2, "CONFIRMED"),
        (np.where(np.arange(DEPTHS) == 5, 0.2, RISE), "REFUTED"),
        (np.full(DEPTHS, 0.3), "NOT APPLICABLE"),
        (np.full(DEPTHS, np.nan), "NOT APPLICABLE"),
    ],
)
def test_energy(levels, verdict):
    row = judged({"runs": [(run, data.assign(energy=("depth", levels))) for run, data in group()]})
    assert row.row("H4", "runs").verdict == verdict


def test_one_s_own_hypothesis_is_asked_and_corrected_for_alone():
    """Its number is made of the points of the run, here how far the first token goes."""

    def moved(asked, at):
        values = np.array([np.linalg.norm(np.ptp(run.trajectory.points[:, 0], axis=0)) for run in asked.runs])
        claim = Claim("way of the first token", "1", values, low=at["way"])
        return Evidence((claim,), tuple(run.label for run in asked.runs))

    way = Threshold("way", 0.5, 0.25, 0.75, "least way that matters")
    own = replace(HYPOTHESES["P12"], id="P99", smallest=way, others=(), evidence=moved)
    made = [(trajectory(random(seed).standard_normal((DEPTHS, 40, 3))), seed) for seed in range(RUNS)]
    found = compare.judge(
        {"runs": [run for run, _ in made]},
        measured={"runs": [measured(run) for run, _ in made]},
        hypotheses=["H3", own],
    )
    assert [row.hypothesis for row in found.rows] == ["H3", "P99"]
    assert found.row("P99", "runs").verdict == "CONFIRMED"
    assert set(found.thresholds) == {"H3", "P99"}
    alone = compare.judge({"runs": [run for run, _ in made]}, draws=9, hypotheses=own)
    assert alone.rows[0].q == 2 * alone.rows[0].p


def test_attention_is_held_against_its_null():
    def attention(excess, life=1.0, planted=0.6, plantings=6):
        null = np.linspace(0.3, 0.7, 5)[:, None, None] * np.ones((DEPTHS, 2))
        own = np.where(np.arange(DEPTHS)[:, None] < 3, np.nan, excess + 0.5) * np.ones(2)
        return {
            "attention_follow": (("depth", "head"), own),
            "attention_follow_null": (("draw", "depth", "head"), null),
            "attention_follow_planted": (
                ("planted_share", "planting", "depth"),
                planted + 1e-3 * np.arange(plantings)[:, None] * np.ones((3, 1, DEPTHS)),
            ),
            "cluster_life_excess": ("depth", np.full(DEPTHS, life)),
            "cluster_life_null": (("draw", "depth"), np.zeros((5, DEPTHS))),
        }

    def planted_runs(planted, plantings=6):
        shifts = around(0, 0.01)
        return [
            (run, data.assign(attention(0.0, planted=planted + shift, plantings=plantings)))
            for (run, data), shift in zip(group(), shifts)
        ]

    for excess, verdict in ((0.5, "CONFIRMED"), (0.0, "REFUTED")):
        runs = [
            (run, data.assign(attention(excess + shift, planted=0.6 + shift)))
            for (run, data), shift in zip(group(), around(0, 0.01))
        ]
        assert judged({"runs": runs}).row("H6", "runs").verdict == verdict
    for planted, said in (
        (0.6, "preferences"),
        (0.5, "the instrument is not sure to see preferences"),
    ):
        runs = planted_runs(planted)
        row = judged({"runs": runs}).row("H6", "runs")
        assert row.verdict == ("REFUTED" if planted == 0.6 else "UNDECIDED")
        assert f"{said} for the own cluster" in row.why
    for plantings, limits, said in (
        (100, "full", "10 % in 100 of 100 draws"),
        (99, "full", "10 % in 6 of 6 draws"),  # too few to count: as for a coarse limit,
        (100, "coarse", "10 % in 1 of 1 draws"),
    ):
        many = planted_runs(0.6, plantings)
        assert said in judged({"runs": many}, limits=limits, hypotheses="H6").row("H6", "runs").why
    unplanted = [(run, data.drop_vars("attention_follow_planted")) for run, data in runs]
    assert "measure it again" in judged({"runs": unplanted}).row("H6", "runs").why
    bare = [(run, data.assign(attention(0.5, life=0.2))) for run, data in group()]
    row = judged({"runs": bare}).row("H6", "runs")
    assert (row.verdict, row.why[:21]) == ("NOT APPLICABLE", "No clusters to follow")
    assert judged({"runs": group()}).row("H6", "runs").why == "No attention was recorded."


def test_a_mixed_group_is_judged_by_its_trained_runs():
    mixed = [model_run(f"text {place}", 2.0) for place in range(RUNS)]
    mixed += [model_run(f"text {place}", 0.0, "random") for place in range(RUNS)]
    row = judged({"all": mixed}).row("H1", "all")
    assert (row.runs, row.effect) == (RUNS, 2)
    assert "no shuffled control" in judged({"all": mixed}).row("H7", "all").why.lower()


def test_robustness_is_the_share_of_each_range_that_agrees():
    """Excess 0.3: clear of 0.15 to 0.25, not of 0.3 and 0.35; one of the two varied components takes it below."""
    runs = group(late=around(0.3, 0.02), gain=1.0, varied=[(-0.3, 0.1, 0, 0)] * RUNS)
    row = judged({"runs": runs}).row("H1", "runs")
    entries = {one["threshold"]: one for one in row.robustness}
    assert entries["delta"] == {"threshold": "delta", "low": 0.15, "high": 0.35, "agreement": 0.6}
    assert entries["component (measured)"] == {
        "threshold": "component (measured)",
        "low": 0.05,
        "high": 0.12,
        "agreement": 0.5,
    }
    assert entries["kind of interval"]["agreement"] == 1
    np.testing.assert_allclose(row.agreement, np.mean([one["agreement"] for one in row.robustness]))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    groups = {"one": group(late=around(0.5), gain=around(0.4)), "two": sweep(lambda beta, place: 0.5 * beta)}
    first, second = judged(groups, seed=3), judged(groups, seed=3)
    assert first.to_json() == second.to_json(tmp_path / "verdicts.json")
    assert (tmp_path / "verdicts.json").read_text(encoding="utf-8") == first.to_json()


@pytest.mark.parametrize(
    ("groups", "data", "words"),
    [
        ({}, None, "no groups"),
        ({"a": []}, None, "'a' has no trajectories"),
        ({"a": [trajectory]}, {"a": []}, "0 measurements"),
    ],
)
def test_bad_input_is_one_line(groups, data, words):
    groups = {name: [make() for make in makers] for name, makers in groups.items()}
    with pytest.raises(ValueError, match=words) as error:
        compare.judge(groups, measured=data)
    assert "\n" not in str(error.value)


def test_odd_runs_are_measured_and_judged():
    """Two tokens, one depth, points that have collapsed, axes mixed in one group, one run alone: no row is a guess."""
    collapsed = [np.tile(point, (7, 33, 1)) for point in sim.uniform(6, 3)]
    groups = {
        "two tokens": [
            trajectory(random(place).standard_normal((7, 2, 3)), label=str(place)) for place in range(6)
        ],
        "one depth": [
            trajectory(random(place).standard_normal((1, 8, 3)), label=str(place)) for place in range(6)
        ],
        "collapsed": [
            trajectory(points, axis="time", beta=2.0, kind="SA", label=str(place))
            for place, points in enumerate(collapsed)
        ],
        "mixed": [
            trajectory(random(place).standard_normal((7, 9, 3)), axis=axis, beta=2.0, label=str(place))
            for place, axis in enumerate(("time", "layer") * 3)
        ],
        "alone": [trajectory(random(1).standard_normal((7, 9, 3)), label="1")],
    }
    seen = []
    found = compare.judge(
        groups, draws=9, progress=lambda places: (seen.append(place) or place for place in places)
    )
    assert len(seen) == 25
    assert len(found.rows) == sum(1 if each.across else 5 for each in HYPOTHESES.values())
    assert {row.verdict for row in found.rows} <= {"NOT APPLICABLE", "UNDECIDED", "REFUTED"}
    assert json.loads(found.to_json())["rows"][0]["why"]


def test_runs_of_a_model_that_are_measured_here_lose_the_same_coordinates():
    """Of the trained ones, also in the controls; what a run states stays."""

    def run(seed, raised, **facts):
        points = np.random.default_rng(seed).standard_normal((4, 12, 40))
        points[..., raised] += 40
        return Trajectory(
            normalise(points), np.arange(4.0), axis="layer", provenance={"model": "net", **facts}
        )

    trained = [run(seed, 3) for seed in range(3)]
    (first, random) = groups_of(
        {"net": trained, "random": [run(9, 5, init="random"), run(8, 5, init="random", rogue=[7])]},
        None,
        {},
        0,
        9,
        list,
    )
    assert [one.exclusions.rogue.tolist() for one in first.runs] == [[3]] * 3
    assert [one.exclusions.rogue.tolist() for one in random.runs] == [[3], [7]]
