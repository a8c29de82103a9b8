"""H7: what a trained run is held against, and what it must not be held against."""

import numpy as np
import pytest

from tests.helpers.judged_runs import RUNS, around, judged, model_run


def learned(random_late, shuffled_late):
    groups = {"net": [], "net, random": [], "net, shuffled": []}
    for place in range(RUNS):
        shift = 2.0 * place  # prompts differ far more than runs of one prompt
        groups["net"].append(model_run(f"text {place}", 3 + shift))
        for seed in (0, 1):
            near = random_late + shift + (0.2 * seed - 0.1) + 0.02 * place
            groups["net, random"].append(model_run(f"text {place}", near, "random", seed=seed))
        groups["net, shuffled"].append(
            model_run(f"text {place}", shuffled_late + shift + 0.02 * place, control="shuffled")
        )
    return judged(groups)


def test_learned_is_against_both_controls_of_the_same_prompt():
    assert learned(0.0, 0.0).row("H7", "net").verdict == "CONFIRMED"
    one = learned(0.0, 3.0).row("H7", "net")
    assert one.verdict == "REFUTED"
    assert "shuffled" in one.why
    np.testing.assert_allclose(one.values, -0.02 * np.arange(RUNS), atol=1e-12)
    found = learned(0.0, 0.0)
    bare = found.row("H7", "net, random")
    nowhere = judged(
        {
            "net": [model_run(f"text {place}", 0.1 + 0.01 * place) for place in range(RUNS)],
            "random": [model_run(f"text {place}", -1.0, "random") for place in range(RUNS)],
            "shuffled": [model_run(f"text {place}", -1.0, control="shuffled") for place in range(RUNS)],
        }
    )
    assert nowhere.row("H7", "net").verdict == "REFUTED"
    assert bare.verdict == "NOT APPLICABLE"
    assert found.row("H1", "net, random").runs == 2 * RUNS


READING = {"frame": "layernorm", "blocks": 12, "revision": "sha256:1"}


def paired(late, strays=(), kinds=("random", "shuffled")):
    """Trained runs, the controls of the kinds asked for, whose late excess is given, and other runs beside them."""
    made = {
        "net": [model_run(f"text {place}", own, **READING) for place, own in enumerate(around(4))],
        "random": [
            model_run(
                f"text {place}", late["random"] + shift, "random", seed=seed, **READING | {"revision": None}
            )
            for place in range(RUNS)
            for seed, shift in ((0, -1.0), (1, 1.0))
        ],
        "shuffled": [
            model_run(f"text {place}", late["shuffled"], control="shuffled", **READING)
            for place in range(RUNS)
        ],
    }
    groups = {name: runs for name, runs in made.items() if name in ("net", *kinds)}
    return judged(groups | ({"strays": list(strays)} if strays else {})).row("H7", "net")


@pytest.mark.parametrize("kind", ["random", "shuffled"])
def test_a_run_is_held_against_the_mean_over_seeds_of_its_own_controls(kind):
    """The control that comes nearest decides; random weights have a revision of their own, or none."""
    row = paired({"random": 0.0, "shuffled": 0.0, kind: 2.0})
    assert row.verdict == "CONFIRMED"
    assert {"random": "random weights", "shuffled": "shuffled tokens"}[kind] in row.why
    # differences of float64 numbers below 10
    np.testing.assert_allclose(row.values, around(2), atol=1e-12)


STRAYS = {
    "random": (
        {"prompt": "another text"},
        {"frame": "raw"},
        {"blocks": 6},
        {"model": "another net"},
        {"causal": True},
        {"silenced": [0]},
        {"rogue": [3]},
        {"initializer_range_from": "argument"},
        {"control": "shuffled"},
    ),
    "shuffled": (
        {"prompt": "another text"},
        {"frame": "raw"},
        {"silenced": [0]},
        {"rogue": [3]},
        {"revision": "sha256:2"},
        {"weights": "another file"},
        {"control": "repeated"},
        {"init": "random"},
    ),
}


def strays(kind, changed):
    """A control of each run but for one fact; far from everything, so that a single one moves what it enters."""
    own = {"init": "random"} if kind == "random" else {"control": "shuffled"}
    facts = [READING | own | {"prompt": f"text {place}"} | changed for place in range(RUNS)]
    return [model_run(late=-500.0, **one) for one in facts]


@pytest.mark.parametrize("kind", STRAYS)
def test_runs_that_differ_in_one_fact_do_not_enter_the_controls(kind):
    others = [run for changed in STRAYS[kind] for run in strays(kind, changed)]
    row = paired({"random": 0.0, "shuffled": 0.0, kind: 2.0}, others)
    np.testing.assert_allclose(row.values, around(2), atol=1e-12)


@pytest.mark.parametrize(("kind", "changed"), [(kind, one) for kind in STRAYS for one in STRAYS[kind]])
def test_runs_that_differ_in_one_fact_are_no_controls(kind, changed):
    (other,) = {"random", "shuffled"} - {kind}
    row = paired({"random": 0.0, "shuffled": 0.0}, strays(kind, changed), kinds=[other])
    assert row.verdict == "NOT APPLICABLE"
    assert row.why == f"No {kind} control of these runs is among the groups."


def test_prompts_without_both_controls_are_left_out():
    """Of 9 prompts 6 have both, which is enough; 5 are not."""
    rows = {}
    for both in (6, 5):
        groups = {
            "net": [model_run(f"text {place}", own) for place, own in enumerate(around(4))],
            "random": [model_run(f"text {place}", 0.0, "random") for place in range(RUNS)],
            "shuffled": [model_run(f"text {place}", 0.0, control="shuffled") for place in range(both)],
        }
        rows[both] = judged(groups).row("H7", "net")
    assert (rows[6].verdict, rows[6].runs) == ("CONFIRMED", 6)
    assert rows[5].verdict == "NOT APPLICABLE"
    assert "with both controls" in rows[5].why
