"""The post's table tried again: what its definitions say of a run, and of which runs it claims anything."""

import json

import numpy as np
import pytest
import xarray as xr

import compare
from compare.published.claims import NOT_CLAIMED, POST, check_claims, conclusion
from sim import Trajectory
from tests.helpers.written_verdicts import table, verdict


@pytest.mark.parametrize(
    ("holds", "ours", "then"),
    [
        (True, "CONFIRMED", "stands"),
        (True, "REFUTED", "falls"),
        (False, "REFUTED", "stands"),
        (False, "CONFIRMED", "falls"),
        (None, "REFUTED", "is settled"),
        (True, "UNDECIDED", "stays open"),
        (False, "NOT APPLICABLE", "stays open"),
    ],
)
def test_what_becomes_of_a_conclusion(holds, ours, then):
    assert conclusion(holds, ours) == then


def published(clustered=True, **facts):
    """What the published preset gives for a run that shows everything, or nothing."""
    random = np.random.default_rng(0)
    start = random.standard_normal((6, 14, 12))
    points = start + (np.arange(6)[:, None, None] if clustered else 0) * np.array([9.0, *[0] * 11])
    if not clustered:
        points = np.tile(np.eye(14)[:, :14], (6, 1, 1))
    run = Trajectory(
        points / np.linalg.norm(points, axis=-1, keepdims=True),
        np.arange(6.0),
        axis="layer",
        provenance={"model": "net", "init": "trained", "control": None} | facts,
    )
    return compare.measure(run, preset="published")


def test_the_post_tried_again():
    """One model whose trained runs meet the post's definitions, its random twin that does not, a repeated token."""
    groups = {
        "net": [published()],
        "net, repeated token": [published(control="repeated")],
        "net, random": [published(clustered=False, init="random")],
        "theory": [xr.Dataset(attrs={"provenance": "{}"})],
    }
    rows = [verdict(name, group) for name in POST for group in groups if "repeated" not in group]
    rows += [verdict("H5", "all models", "UNDECIDED")]
    found = {(row.hypothesis, row.group): row for row in check_claims(table(*rows), groups)}
    assert {group for _, group in found} == {"net", "net, random", "all models"}
    assert found["H1", "net"].published == "CONFIRMED"
    assert found["H1", "net"].published_why == "met in 1 of 1 runs"
    assert found["H1", "net"].conclusion == "stands"
    assert found["H4", "net"].conclusion == "stays open"
    for value, then in ((0.0, "falls"), (0.01, "stands")):
        monotone = [verdict(name, "net", values=(value,) * 9) for name in POST if name != "H5"]
        again = check_claims(table(*monotone), {"net": groups["net"]})
        assert [row.conclusion for row in again if row.hypothesis == "H4"] == [then]
    assert found["H5", "all models"].conclusion == "stays open"
    assert found["H5", "all models"].post == "CLAIMED"
    assert found["H6", "net"].published == "NOT DEFINED"
    assert found["H7", "net"].published_why.startswith("H1 met in 1 of 1 trained and")
    assert {row.conclusion for row in found.values() if row.group == "net, random"} == {NOT_CLAIMED}
    assert found["H3", "net"].published in ("CONFIRMED", "MIXED", "FALSIFIED")


@pytest.fixture(scope="module")
def conclusions():
    """What becomes of each hypothesis on runs with other provenance, where ours says CONFIRMED of all of them."""
    measured = published()

    def made(*runs):
        own = json.loads(measured.attrs["provenance"])
        group = [measured.assign_attrs(provenance=json.dumps(own | facts)) for facts in runs]
        rows = [verdict(name, "net", values=(0.01,) * 9) for name in ("H1", "H2", "H3", "H4", "H6", "H7")]
        return {row.hypothesis: row.conclusion for row in check_claims(table(*rows), {"net": group})}

    return made


WHOLE = {"H1": "stands", "H2": "stands", "H3": "stands", "H4": "stands", "H6": "is settled", "H7": "stands"}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"model": "bert-128", "family": "bert", "blocks": 12},
        {"model": "gpt2-xl", "family": "gpt2", "blocks": 48},
        {"model": "gpt2-large", "family": "gpt2", "blocks": 36},
        {"model": "early-bird", "family": "bert", "blocks": 12},
        {"model": "my-early", "family": "bert", "blocks": 12},
    ],
)
def test_the_post_claims_everything_of_trained_models(conclusions, facts):
    assert conclusions(facts) == WHOLE


@pytest.mark.parametrize("blocks", [12, 35])
def test_two_time_scales_are_not_claimed_of_a_shallow_gpt2(conclusions, blocks):
    """The post finds them above a threshold in depth; every other row holds it to its word."""
    found = conclusions({"model": "gpt2-128", "family": "gpt2", "blocks": blocks})
    assert found == WHOLE | {"H3": "not claimed"}


@pytest.mark.parametrize(
    "facts",
    [
        {"model": "gpt2-128-early", "family": "gpt2", "blocks": 12},
        {"model": "gpt2-128-initial", "family": "gpt2", "blocks": 12},
        {"model": "bert-128-early", "family": "bert", "blocks": 12},
        {"init": "random"},
        {"control": "shuffled"},
    ],
)
def test_nothing_is_claimed_of_stages_and_controls(conclusions, facts):
    assert conclusions(facts) == dict.fromkeys(WHOLE, "not claimed")


def test_one_trained_run_in_a_group_makes_it_claimed(conclusions):
    assert conclusions({"control": "shuffled"}, {}) == WHOLE
    assert conclusions({"control": "shuffled"}, {"init": "random"})["H1"] == "not claimed"
