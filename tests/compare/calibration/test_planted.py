"""Clusters planted in what models read are where they should be, and mixed tokens keep everything but clusters."""

import numpy as np
import pytest

from compare.calibration.generator import Shape, group
from compare.calibration.planted import MODELS, PLANTED, TOKENS, of_texts, readings
from compare.calibration.registry import GENERATORS
from compare.metrics import exclusions

GROUPS = ("tight", "stage", "loose", "mixed")
SHAPE = Shape(3, 48, 7)


def made(name):
    return group(GENERATORS[name], 5, 0, SHAPE)


def source(run, model):
    """The reading that a run was made from."""
    (found,) = [one for one in readings(model) if one.provenance["prompt"] == run.provenance["prompt"]]
    return found


def kept(run):
    return exclusions.apply(run, exclusions.exclude(run)._replace(rogue=np.zeros(0, int)))


def test_there_are_four_of_each_model_and_all_are_in_the_trial():
    names = {f"{model.split('-')[0]}_{kind}" for model in MODELS for kind in GROUPS}
    assert {one.name for one in PLANTED} == names
    assert names <= set(GENERATORS)


@pytest.mark.parametrize("kind", GROUPS)
def test_the_judge_leaves_out_what_it_leaves_out_of_the_text(kind):
    for run in made(f"bert_{kind}"):
        text = source(run, "bert-128")
        assert len(run.tokens) == TOKENS
        assert run.provenance["model"] == "bert-128"
        np.testing.assert_array_equal(exclusions.exclude(run).kept, exclusions.exclude(text).kept)


@pytest.mark.parametrize(("kind", "until"), [("tight", 13), ("stage", 10)])
def test_clusters_are_as_long_as_they_should(kind, until):
    """The points move away from those of the text while clusters are there, and only then."""
    for run in made(f"gpt2_{kind}"):
        moved = np.linalg.norm(run.points - source(run, "gpt2-128").points, axis=2).mean(axis=1)
        assert np.all(moved[:2] < 1e-12)
        assert np.all(moved[4:until] > 0.1)
        assert np.all(moved[until + 1 :] < 1e-12)


def test_mixed_tokens_keep_mean_and_covariance_and_no_token():
    """Equal to first order in the spread about the mean, which projection to the sphere goes beyond."""
    for run in made("albert_mixed"):
        own, text = kept(run), kept(source(run, "albert-128"))
        means = [cloud.mean(axis=1) for cloud in (own, text)]
        assert np.linalg.norm(means[0] - means[1], axis=1).max() < 0.1
        both = [
            (cloud[3] - cloud[3].mean(axis=0)).T @ (cloud[9] - cloud[9].mean(axis=0)) for cloud in (own, text)
        ]
        assert np.corrcoef(np.ravel(both[0]), np.ravel(both[1]))[0, 1] > 0.95
        assert np.einsum("dti,dti->dt", own, text).max() < 0.999


def test_runs_of_a_group_are_different_texts_and_no_group_has_more_of_them_than_there_are():
    assert len({run.provenance["prompt"] for run in made("gpt2_loose")}) == SHAPE.runs
    with pytest.raises(ValueError, match=f"of {TOKENS} tokens, fewer than 40: ask for fewer runs"):
        of_texts(np.random.default_rng(0), Shape(40, 48, 7), "gpt2-128", lambda run: run)
