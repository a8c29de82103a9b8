"""Random weights block by block: against the states of a model, in closed form, and where V is not random."""

from dataclasses import replace

import numpy as np
import pytest

import probe
import sim
from compare.analyses.random_weights import common_noise
from compare.metrics.pairwise import mean_cosine
from probe.loading import load
from tests.helpers.equiangular import equiangular
from tests.helpers.small_models import TEXT, family_tokenizer, small_model
from tests.helpers.vectors import unit

TOKENS, WIDTH, BLOCKS, STEP, START = 12, 200, 40, 0.1, 0.05


def blocks(value, step=STEP, beta=0.4):
    """Tokens that go through post-LN blocks of one head each, whose value matrix is `value(random)`, and the fields."""
    random = np.random.default_rng(7)
    points = [np.hstack([equiangular(TOKENS, START), np.zeros((TOKENS, WIDTH - TOKENS))])]
    fields, rows = [], []
    for _ in range(BLOCKS):
        query, key = random.standard_normal((2, 16, WIDTH)) / 4
        output = step * np.sqrt(WIDTH) * np.eye(WIDTH)
        fields.append(sim.Attention(beta, query=query, key=key, value=value(random), output=output))
        rows.append(np.asarray(fields[-1].weights(points[-1])))
        added = np.asarray(fields[-1].attend(points[-1])) / np.sqrt(WIDTH)
        points.append(unit(points[-1] + added))
    facts = {"frame": "layernorm", "scheme": "post", "model": "net"}
    run = sim.Trajectory(
        np.array(points),
        np.arange(BLOCKS + 1),
        "layer",
        norms=np.full((BLOCKS + 1, TOKENS), np.sqrt(WIDTH)),
        attention=np.array([*rows, np.full_like(rows[0], np.nan)]),
        provenance=facts,
    )
    return run, fields


def fresh(random):
    return random.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)


def test_fresh_values_follow_the_law():
    run, fields = blocks(fresh)
    found = common_noise(run, fields)
    np.testing.assert_allclose(found["mean_cosine"], mean_cosine(run.points), rtol=1e-12)
    # float32 rows
    np.testing.assert_allclose(found["attention_rise"], np.diff(mean_cosine(run.points)), atol=1e-6)
    np.testing.assert_allclose(found["even_rise"].sum() / found["foretold_rise"].sum(), found["gain"])
    # |V m|^2 is |m|^2 to sqrt(2/d); d takes off 2/d, a step a share of its square, and scores a share of theirs
    np.testing.assert_allclose(found["tau"].mean(), STEP**2, rtol=0.1)
    np.testing.assert_allclose(found["gain"], 1, atol=0.05)
    # One draw adds to a cosine O(step/sqrt(d)) of either sign a block, a hundredth of its foretold rise
    assert abs(found["drift"]) < 0.5


def test_a_value_that_pulls_drifts_away_from_the_law():
    run, fields = blocks(lambda random: np.eye(WIDTH), step=0.01)
    found = common_noise(run, fields)
    # R' = 2 (1 + (n-1) R)(1 - R)/n in the step, of which the law has half, in its square
    np.testing.assert_allclose(found["drift"], 2 / 0.01, rtol=0.05)


def test_a_small_pull_is_a_drift():
    """V = W + e I drifts by 2 e over the step, so that a V which is one part in ten the identity is seen."""
    seen = [
        common_noise(*blocks(lambda random, pull=pull: fresh(random) + pull * np.eye(WIDTH)))["drift"]
        for pull in (0.0, 0.1)
    ]
    # The two runs part, and with them the noise of their draws.
    np.testing.assert_allclose(seen[1] - seen[0], 2 * 0.1 / STEP, rtol=0.1)


def test_equal_values_add_up():
    """One V in all blocks, as in ALBERT: each block pushes as the one before did."""
    shared = fresh(np.random.default_rng(1))
    found = common_noise(*blocks(lambda random: shared))
    assert found["gain"] + found["drift"] > 2


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_what_attention_adds_is_that_of_the_model(family):
    """The model's own states between attention and feed-forward part, which the analysis does not see."""
    model = load((small_model(family), family_tokenizer(family)), init="random", seed=3)
    options = {"frame": "layernorm", "attention": True, "causal": False}
    run, halves = (probe.extract(model, TEXT, **options, sublayers=each) for each in (False, True))
    found = common_noise(run, probe.operators(model, causal=False))
    rise = mean_cosine(halves.points[1::2]) - mean_cosine(halves.points[:-1:2])
    # single precision of the model's states
    np.testing.assert_allclose(found["attention_rise"], rise, atol=1e-6)
    if family == "gpt2":  # whose states add up
        before, between = (halves.points[place::2] * halves.norms[place::2, :, None] for place in (0, 1))
        added = np.sum((between - before[:-1]) ** 2, axis=2) / halves.norms[:-1:2] ** 2
        np.testing.assert_allclose(found["step"], added.mean(axis=1), rtol=1e-4)


def test_states_without_attention_are_refused():
    run, fields = blocks(lambda random: np.eye(WIDTH))
    for bad, known in ((replace(run, attention=None), fields), (run, fields[:-1])):
        with pytest.raises(ValueError, match="attention=True"):
            common_noise(bad, known)
