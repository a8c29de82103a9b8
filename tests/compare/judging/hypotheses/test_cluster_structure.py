"""Cluster structure is seen where it is planted in a trained model, and not where tokens are a continuum."""

import pytest

import compare
import probe
from compare.calibration.plants import planted
from compare.study.subjects import default_texts

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def read():
    """Seven texts through the twelve blocks of a BERT."""
    return [probe.extract("bert-128", one.text, frame="layernorm", max_tokens=96) for one in default_texts()]


def structure(runs):
    """The row of cluster structure, measured as `compare` does with few draws, which play no part in it."""
    return compare.judge({"runs": runs}, draws=2).row("P20", "runs")


@pytest.mark.parametrize(("groups", "share"), [(5, 0.3), (3, 0.2)])
def test_clusters_planted_in_a_model_are_confirmed(read, groups, share):
    row = structure([planted(run, groups, share, seed=seed) for seed, run in enumerate(read)])
    assert row.verdict == "CONFIRMED", row.why
    assert "they form" in row.why
