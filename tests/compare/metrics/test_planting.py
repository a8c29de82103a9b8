"""Clusters planted in a run of a trained model: their share is as asked, and all else stays."""

import numpy as np
import pytest

import probe
import sim
from compare.metrics import exclusions
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.planting import NO_GROUP, in_own_span, planted, planted_groups, planted_points
from probe.loading import load

STAGE = {"start": 1, "full": 4, "until": 9, "gone": 11}


@pytest.fixture(scope="module")
def run():
    return probe.extract(load("gpt2-128"), probe.prompts()["tides"].text)


def seen(trajectory, run):
    """The points that are measured, of the tokens and in the coordinates that are kept of the run itself."""
    return exclusions.apply(trajectory, exclusions.exclude(run))


def share_between(points, label):
    """Share of the variance about the mean that lies between the groups, less what chance alone puts there."""
    centred = points - points.mean(axis=0)
    between = sum(
        np.sum(label == group) * np.sum(centred[label == group].mean(axis=0) ** 2) for group in set(label)
    )
    chance = (len(set(label)) - 1) / (len(label) - 1)
    return (between / np.sum(centred**2) - chance) / (1 - chance)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_share_is_planted_and_means_and_variances_stay(run, share):
    clustered = planted(run, share=share, seed=1, **STAGE)
    before, after = seen(run, run), seen(clustered, run)
    kept = exclusions.exclude(run).kept
    label = planted_groups(run, seed=1)[kept]
    asked = share * np.array([0, 0, 1 / 3, 2 / 3, *[1] * 6, 1 / 2, 0, 0])
    found = [share_between(cloud, label) for cloud in after]
    np.testing.assert_allclose(found, asked, atol=0.03)  # the data's own share by chance, and the projection
    lengths = [np.linalg.norm(each.mean(axis=1), axis=1) for each in (before, after)]
    np.testing.assert_allclose(lengths[1], lengths[0], atol=0.02)  # the projection to the sphere
    spreads = [each.var(axis=1).sum(axis=1) for each in (before, after)]
    np.testing.assert_allclose(spreads[1], spreads[0], rtol=0.05)  # the same
    untouched = asked == 0
    assert np.array_equal(clustered.points[untouched], run.points[untouched])
    assert np.array_equal(clustered.norms, run.norms)
    assert clustered.attention is None
    assert clustered.provenance["planted"] == {"groups": 5, "share": share, "seed": 1, **STAGE}


def test_a_plateau_is_seen_where_it_was_planted(run):
    """Half of the depths, dissolving long before the end, in a cloud that widens while it lasts."""
    found = {
        share: calibrated(planted(run, share=share, seed=1, **STAGE), 29, 0, {"base": BASE})
        for share in (0.0, 0.8)
    }
    stage, none = found[0.8], found[0.0]
    assert 2 <= stage["plateau_start"] <= STAGE["full"]
    assert STAGE["until"] <= stage["plateau_end"] < STAGE["gone"]
    assert stage["stage_excess"][0] > 0.5
    assert none["plateau_share"] == 0
    assert none["stage_excess"][0] < 0.1


def test_centres_have_the_covariance_of_the_data(run):
    """Over many seeds the centres vary along each axis as the tokens do, at one depth and between two."""
    points = seen(run, run)[[5, 8]]
    own = points - points.mean(axis=1, keepdims=True)
    axes = np.stack([np.linalg.eigh(cloud.T @ cloud)[1][:, ::-1][:, :8] for cloud in own])
    kept = exclusions.exclude(run).kept
    sums = np.zeros((2, 8, 8))
    for seed in range(60):
        clouds = seen(planted(run, groups=8, share=1.0, seed=seed), run)[[5, 8]]
        first = np.unique(planted_groups(run, 8, seed)[kept], return_index=True)[1]
        centres = clouds[:, first] - clouds.mean(axis=1, keepdims=True)
        along = centres @ axes
        sums += np.stack([along[0].T @ along[0], along[0].T @ along[1]]) / (60 * 8)
    along = own @ axes
    wanted = np.stack([along[0].T @ along[0], along[0].T @ along[1]]) / points.shape[1]
    # 480 centres: entries have a standard error of 5 to 7 % of the largest variance
    np.testing.assert_allclose(sums, wanted, atol=0.25 * wanted.max())
    assert np.corrcoef(sums.ravel(), wanted.ravel())[0, 1] > 0.97


def test_copies_go_together_and_special_tokens_stay():
    names = [f"word{place % 30}" for place in range(40)]
    special = np.arange(40) < 2
    points = np.stack([sim.uniform(40, 6, seed) for seed in range(6)])
    run = sim.Trajectory(points, range(6), axis="layer", tokens=names, special=special)
    label = planted_groups(run, 4, seed=2)
    assert np.all(label[special] == NO_GROUP)
    assert label[0] == label[1] == NO_GROUP
    assert all(label[place] == label[place - 30] for place in range(32, 40))
    sizes = np.bincount(label[exclusions.exclude(run).kept])
    assert sizes.sum() == 30
    assert np.ptp(sizes) <= 1
    clustered = planted(run, 4, share=1.0, seed=2)
    assert np.array_equal(clustered.points[:, special], points[:, special])
    for group in range(4):
        assert np.ptp(clustered.points[4:, label == group], axis=1).max() < 1e-12  # rounding
    again = planted(run, 4, share=1.0, seed=2)
    assert again.points.tobytes() == clustered.points.tobytes()
    assert not np.array_equal(planted(run, 4, share=1.0, seed=3).points, clustered.points)
    assert np.array_equal(planted(run, 4, share=0.0).points, points)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"groups": 1}, "need 2 to 30 groups"),
        ({"groups": 31}, "need 2 to 30 groups, as many as different tokens, got 31"),
        ({"share": 1.5}, r"share must be in \[0, 1\]"),
        ({"start": 4}, "need 0 <= start < full <= until < gone, got start=4, full=4"),
        ({"until": 5, "gone": 5}, "got start=1, full=4, until=5, gone=5"),
        ({"until": 5}, "give both until and gone, or neither"),
    ],
)
def test_bad_plants_say_what_is_wrong(asked, words):
    run = sim.Trajectory([sim.uniform(30, 4)] * 6, range(6), axis="layer")
    with pytest.raises(ValueError, match=words):
        planted(run, **asked)


@pytest.mark.parametrize(("tokens", "dim", "span"), [(5, 12, 5), (12, 5, 5)])
def test_what_is_planted_in_the_span_of_the_points_has_the_same_chords(tokens, dim, span):
    """To rounding."""
    points = np.random.default_rng(0).standard_normal((3, tokens, dim))
    fewer = in_own_span(points)
    assert fewer.shape == (3, tokens, span)
    shares = np.array([0.0, 0.4, 0.9])
    one, other = (planted_points(each, 3, shares, seed=1) for each in (points, fewer))
    np.testing.assert_allclose(other @ other.swapaxes(1, 2), one @ one.swapaxes(1, 2), atol=1e-14)
