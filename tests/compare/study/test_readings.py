"""What a study reads out of a model: one sphere for all runs of it, and what is changed in them."""

from typing import Any

import numpy as np
import pytest

import probe
from compare.metrics.exclusions import exclude
from compare.study.learned_dynamics import learned
from compare.study.readings import ROGUE_TOKENS, extracted
from compare.study.subjects import default_texts

MODEL = "gpt2-128"
SEEN: dict[str, Any] = {"model": MODEL, "files": "", "frame": "layernorm", "max_tokens": 32}
TEXT = "One more text, which is none of the project's own, about rivers and the stones in them."


@pytest.fixture(scope="module")
def trained():
    return extracted(**SEEN, text=TEXT)


def test_all_runs_of_a_model_lose_the_same_coordinates(trained):
    """The rule, written once more, on the texts of the project; of its own text a run would lose others."""
    sizes = []
    for one in default_texts():
        run = probe.extract(MODEL, one.text, frame="layernorm", max_tokens=ROGUE_TOKENS)
        points = run.points[:, exclude(run).kept]
        sizes.append([points.var(axis=1).mean(axis=0), (points.mean(axis=1) ** 2).mean(axis=0)])
    both = np.mean(sizes, axis=0)
    expected = np.flatnonzero((both > 20 * np.median(both, axis=1, keepdims=True)).any(axis=0)).tolist()
    assert 0 < len(expected) < 64
    changes: list[dict[str, Any]] = [
        {},
        {"init": "random"},
        {"control": "shuffled"},
        {"other_mask": True},
        {"silenced_third": 1},
    ]
    runs = [extracted(**SEEN, **change, text=TEXT) for change in changes]
    runs.append(learned(model=MODEL, files="", text=TEXT, max_tokens=32))
    for run in runs:
        assert run.provenance["rogue"] == expected
        assert exclude(run).rogue.tolist() == expected
    alone = exclude(probe.extract(MODEL, TEXT, frame="layernorm", max_tokens=32)).rogue.tolist()
    assert alone != expected


@pytest.mark.parametrize("options", [{"every_coordinate": True}, {"frame": "read"}])
def test_every_coordinate_is_kept_where_it_is_asked_for(trained, options):
    run = extracted(**{**SEEN, **options}, text=TEXT)
    assert run.provenance["rogue"] == []
    assert exclude(run).rogue.size == 0
    same = np.array_equal(run.points, trained.points)
    assert same == (options == {"every_coordinate": True})


def test_published_definitions_read_no_treatment():
    assert "rogue" not in extracted(**{**SEEN, "frame": "raw"}, text=TEXT).provenance


def test_thirds_are_all_blocks_once():
    silent = [extracted(**SEEN, text=TEXT, silenced_third=third).provenance["silenced"] for third in range(3)]
    assert silent == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_random_weights_are_as_wide_as_asked():
    own, twice = (
        extracted(**SEEN, text=TEXT, init="random", range_factor=factor).provenance for factor in (None, 2.0)
    )
    assert twice["initializer_range"] == 2 * own["initializer_range"]
    assert (own["initializer_range_from"], twice["initializer_range_from"]) == ("config", "argument")
