"""What the calibrated preset reads off attention: whether it follows the clusters, and the beta of a model."""

import numpy as np
import pytest

import sim
from compare.metrics.calibrated.attention import PLANTED, PLANTINGS, _moves, attention_follow
from compare.metrics.calibrated.preset import own_beta
from compare.metrics.exclusions import exclude
from compare.metrics.measurement import measure
from compare.metrics.nulls import mask_matched
from probe.temperature import temperature
from sim.trajectory import Trajectory
from tests.helpers.vectors import unit


def slow_follow(attention, labels, expected, seen):
    over = under = 0.0
    for i in range(len(labels)):
        for j in range(len(labels)):
            if seen[i, j] and labels[i] == labels[j] >= 0:
                over, under = over + attention[i, j], under + expected[i, j]
    return np.log(over / under)


def test_attention_follow_is_the_quotient_it_says():
    random = np.random.default_rng(8)
    attention = random.uniform(size=(3, 2, 14, 14)) * np.tri(14)
    attention /= attention.sum(axis=-1, keepdims=True)
    attention[2] = np.nan
    labels = random.integers(-1, 3, (3, 14))
    labels[:, 4] = -2
    own, null, _ = attention_follow(attention, labels, True, True, 9)
    kept = np.arange(14) != 4
    seen = np.tri(14, k=-1, dtype=bool) & kept & kept[:, None]
    for depth in range(2):
        expected = mask_matched(attention[depth], seen)
        for head in range(2):
            np.testing.assert_allclose(
                own[depth, head],
                slow_follow(attention[depth, head], labels[depth], expected[head], seen),
                rtol=1e-12,
            )
    assert np.isnan(own[2]).all()
    assert np.isnan(null[:, 2]).all()
    assert null.shape == (9, 3, 2)
    nothing = attention_follow(attention, np.where(labels == -2, -2, -1), True, True, 3)
    assert np.isnan(nothing[0]).all()


def text_attention(random, labels, boost, causal=True, heads=3):
    """Weights that fall with distance, differ by key, are noisy, and are e^boost larger within a cluster."""
    n = len(labels)
    place = np.arange(n)
    logits = -np.abs(place[:, None] - place) / random.uniform(2, 8, (heads, 1, 1))
    logits = logits + 0.7 * random.standard_normal((heads, 1, n)) + random.standard_normal((heads, n, n))
    logits = logits + boost * (labels[:, None] == labels)
    weights = np.exp(np.where(np.tri(n, dtype=bool) | (not causal), logits, -np.inf))
    return weights / weights.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_to_near_tokens_is_no_sign_of_clusters(causal):
    """Clusters in runs along the text, local attention: an unmatched null would read log 1.4 to 1.8."""
    random = np.random.default_rng(9)
    alone, boosted, small = [], [], 0
    for _ in range(30):
        labels = np.repeat(random.integers(0, 4, 12), 4)
        for boost, into in ((0.0, alone), (1.0, boosted)):
            own, null, _ = attention_follow(
                text_attention(random, labels, boost, causal)[None], labels[None], causal, True, 19
            )
            into.append(own.mean() - null.mean())
            small += boost == 0 and np.sum(null.mean(axis=(1, 2)) >= own.mean()) == 0
    assert abs(np.mean(alone)) < 4 * np.std(alone) / np.sqrt(30) + 0.005
    assert small <= 6  # 30 trials at 5 %: at most 6 with probability .999
    assert np.mean(boosted) > 0.05
    assert np.mean(np.array(boosted) > np.max(alone)) > 0.7


def test_beta_of_a_model_is_the_median_of_its_heads():
    random = np.random.default_rng(9)
    points = unit(np.cumsum(random.standard_normal((4, 14, 6)), axis=0))
    beta = np.array([1.0, 4.0, 9.0])[:, None, None]
    rows = np.stack([np.exp(beta * (here @ here.T - 1)[None]) for here in points])
    rows /= rows.sum(axis=-1, keepdims=True)
    rows[-1] = np.nan
    trajectory = Trajectory(
        points, np.arange(4.0), axis="layer", attention=rows, provenance={"model": "m", "sinks": [2]}
    )
    found = measure(trajectory, draws=5)
    assert found.attrs["beta_source"] == "attention"
    np.testing.assert_allclose(found.attrs["beta"], 4.0, rtol=1e-6)
    assert found.attrs["beta"] == np.median(temperature(trajectory)["beta"])
    assert found["attention_follow"].dims == ("depth", "head")
    assert found["attention_follow_null"].shape == (5, 4, 3)
    assert np.all(found["cluster_label"][:, 2] == -2)
    assert not found["kept"][2]
    unknown = measure(Trajectory(points, np.arange(4.0), axis="layer"), draws=5)
    assert unknown.attrs["beta_source"] == ""
    assert np.isnan(unknown["energy"]).all()
    assert np.isnan(unknown["energy_noise"]).all()
    assert "attention_follow" not in unknown


def test_beta_belongs_to_the_sphere_without_rogue_coordinates():
    random = np.random.default_rng(0)
    tokens, d, beta = 40, 64, 8.0
    points = random.standard_normal((2, tokens, d))
    points[:, :, 5] = 0
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    logits = beta * points @ points.transpose(0, 2, 1)
    rows = np.exp(logits - logits.max(axis=2, keepdims=True))
    rows /= rows.sum(axis=2, keepdims=True)
    points[:, :, 5] = 3.0  # a coordinate that outgrows all others together and says nothing
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    trajectory = sim.Trajectory(
        points=points,
        depth=np.arange(2.0),
        axis="layer",
        tokens=tuple(map(str, range(tokens))),
        attention=rows[:, None],
        provenance={"model": "planted", "causal": False},
    )
    made = exclude(trajectory)
    assert made.rogue.tolist() == [5]
    # the rows are softmax(8 cos) of these very points, so the entropy matches at 8 up to the solver's 1e-10
    assert own_beta(trajectory, made)[0] == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize("local", [False, True])
def test_what_is_planted_is_the_quotient_of_attention_moved_to_the_clusters_of_a_null_draw(local):
    random = np.random.default_rng(21)
    tokens, draws = 16, 6
    attention = random.uniform(size=(1, 3, tokens, tokens)) * np.tri(tokens)
    attention /= attention.sum(axis=-1, keepdims=True)
    labels = random.integers(-1, 3, (1, tokens))
    labels[0, 4] = -2
    kept = np.flatnonzero(labels[0] > -2)
    seen = np.tri(tokens, k=-1, dtype=bool)
    seen[4] = seen[:, 4] = False
    _, null, planted = attention_follow(attention, labels, True, local, draws, seed=3)
    assert planted.shape == (len(PLANTED), PLANTINGS, 1)
    for draw, move in enumerate(list(_moves(len(kept), draws, local, 3))[:PLANTINGS]):
        moved = labels[0].copy()
        moved[kept] = labels[0, kept][move]
        for size, share in enumerate((0.0, *PLANTED)):
            rows = attention[0].copy()
            for i in range(tokens):
                own = [j for j in range(tokens) if seen[i, j] and moved[i] == moved[j] >= 0]
                for head in rows:
                    given, whole = head[i, own].sum(), head[i, seen[i]].sum()
                    if given > 0:
                        head[i] *= 1 - share
                        head[i, own] *= 1 + share * whole / (given * (1 - share))
            expected = mask_matched(rows, seen, local=local)
            follow = np.mean([slow_follow(one, moved, under, seen) for one, under in zip(rows, expected)])
            got = null[draw, 0].mean() if share == 0 else planted[size - 1, draw, 0]
            np.testing.assert_allclose(got, follow, rtol=1e-10 if share else 1e-6)  # draws have 24 bits
    more = attention_follow(attention, labels, True, local, draws, seed=3, plantings=9)  # than draws
    np.testing.assert_array_equal(more.null, null)
    np.testing.assert_array_equal(more.planted[:, :PLANTINGS], planted)
    assert np.ptp(more.planted[1, draws:, 0]) > 0
    nothing = attention_follow(attention, np.where(labels == -2, -2, -1), True, local, draws)
    assert np.isnan(nothing.planted).all()


def test_a_preference_reads_the_more_the_larger_it_is():
    random = np.random.default_rng(22)
    labels = random.integers(0, 4, 40)
    attention = text_attention(random, labels, 0.0)[None]
    _, null, planted = attention_follow(attention, labels[None], True, True, 9)
    assert np.all(np.diff(planted[:, :, 0], axis=0) > 0)
    assert np.all(planted[0, :, 0] > null[:PLANTINGS, 0].mean(axis=1))
