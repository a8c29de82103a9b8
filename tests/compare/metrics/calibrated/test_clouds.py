"""The calibrated preset on clouds whose answer is known: clusters that are there, and what only looks like them."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from compare.metrics.calibrated.energy import descent_share
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from tests.helpers.clouds import groups, in_time, measured
from tests.helpers.vectors import unit


def test_caps_that_tighten_are_clusters_on_a_plateau():
    random = np.random.default_rng(2)
    base, labels = groups(random, 40, 8, 4, 0.5)
    centres = np.eye(8)[labels]
    width = np.concatenate([[2.0, 1.0, 0.6], np.full(6, 0.2)])[:, None, None]
    found = measured(unit(centres + width * (base - centres)), draws=29)
    assert found["late_excess"][0] > 0.5
    assert found["gain"][0] > 0.5
    assert found["cluster_number"].values[-1] == 4
    assert adjusted_rand_score(labels, found["cluster_label"].values[-1]) == 1
    assert found["cluster_label"].values[-1, 0] == 0
    assert found["plateau_end"] == 8
    assert found["plateau_share"] >= 5 / 8
    assert found["plateau_share_null"].max() < 0.3


def test_a_growing_mean_is_no_cluster_and_its_energy_rises():
    random = np.random.default_rng(3)
    cloud = random.standard_normal((48, 8)) * np.arange(1.0, 9) ** -0.5
    drift = np.linspace(0, 3, 9)[:, None, None] * unit(random.standard_normal(8))
    found = measured(unit(cloud + drift), draws=29)
    assert np.abs(found["late_excess"][0]) < 0.15
    assert found["plateau_share"] == 0
    assert found["mean_length"][-1] > 0.85
    share, steps = descent_share(found["energy"].values, found["energy_noise"].values)
    assert steps == 8
    assert share < 0.05


def test_a_core_with_a_halo_and_a_ring_are_no_clusters():
    random = np.random.default_rng(4)
    width = np.where(np.arange(48) < 34, 0.2, 1.0)[:, None]
    core = unit(np.eye(5)[0] + width * random.standard_normal((3, 48, 5)) / 2)
    angle = 2 * np.pi * np.arange(48) / 48
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(48)], axis=-1)
    ring = unit(ring + 0.05 * random.standard_normal((3, 48, 3)))
    for points in (core, ring):
        assert measured(points, draws=29)["cluster_life_excess"].values.mean() < 0.2


def test_clusters_that_exchange_tokens_are_no_plateau():
    random = np.random.default_rng(5)
    labels = np.arange(48) % 4
    points = []
    for _ in range(9):
        moved = random.permutation(48)[:12]
        labels = labels.copy()
        labels[moved] = random.integers(0, 4, 12)
        points.append(np.eye(8)[labels] + 0.1 * random.standard_normal((48, 8)))
    found = measured(unit(np.array(points)), draws=29)
    assert found["late_excess"][0] > 0.5
    assert found["plateau_share"] == 0


def test_caps_that_melt_late_are_no_plateau():
    random = np.random.default_rng(6)
    labels = random.permutation(np.arange(48) % 4)
    own = random.standard_normal((48, 6))
    width = 0.1 * np.exp(np.concatenate([np.linspace(0, 0.1, 5), [0.3, 0.7, 1.2, 2.0]]))[:, None, None]
    found = measured(unit(np.eye(6)[labels] + width * own), draws=29)
    assert np.all(found["cluster_life_excess"].values[:6] > 0.5)
    assert found["plateau_share"] == 0


def test_clusters_without_order_in_depth_do_not_pass_the_gate():
    random = np.random.default_rng(7)
    base, _ = groups(random, 40, 6, 4, 0.1)
    frozen = measured(unit(base + 0.1 * random.standard_normal((9, 40, 6))), draws=9)
    assert frozen["plateau_share"] == 0  # alike at all depths
    assert frozen["gate_p"] > 0.01


def test_partitions_that_take_turns_to_live_longest_are_one_plateau():
    """Four clusters, two of them near each other: as many radii tell these two apart as do not."""
    random = np.random.default_rng(8)
    own = 0.02 * random.standard_normal((48, 6))
    points = [random.standard_normal((48, 6)) for _ in range(2)]
    for depth in range(8):
        apart = 0.32 if depth % 2 else 0.2
        centres = np.eye(6)[[0, 0, 1, 2]] + apart * np.eye(6)[[4, 5, 1, 2]]
        points.append(np.repeat(centres, 12, axis=0) + own)
    only = BASE._replace(plateau=BASE.plateau._replace(rival=1.0))
    found = calibrated(in_time(unit(np.array(points))), 29, 0, {"base": BASE, "rival 1": only})
    assert list(found["cluster_number"].values[2:]) == [3, 4] * 4
    assert found["plateau_share"] == 7 / 9
    assert found["plateau_share_effect"][1] < 0.05  # none, less what the draws have


def test_the_best_third_is_found_where_it_is():
    random = np.random.default_rng(9)
    base, labels = groups(random, 40, 8, 4, 0.5)
    width = np.concatenate([[2.0, 2.0], np.full(3, 0.2), np.full(4, 2.0)])[:, None, None]
    centres = np.eye(8)[labels]
    found = measured(unit(centres + width * (base - centres)), draws=29)
    excess, null = found["cluster_life_excess"].values, found["cluster_life_null"].values
    best = [(null - null.mean(axis=0))[:, start : start + 3].mean(axis=1) for start in range(7)]
    np.testing.assert_allclose(
        found["stage_excess"][0], excess[2:5].mean() - np.max(best, axis=0).mean(), atol=1e-12
    )
    assert found["stage_excess"][0] > 0.5
    assert found["late_excess"][0] < 0.1
