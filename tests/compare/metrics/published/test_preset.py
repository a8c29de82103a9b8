"""The published preset as a whole: its record, its invariances, and what it says of small and collapsed clouds."""

import json
from typing import Literal

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from compare.metrics import measurement
from compare.metrics.measurement import measure
from compare.metrics.published import preset
from compare.metrics.published.preset import published
from sim.trajectory import Trajectory
from tests.helpers.vectors import unit

NAMES = (
    "mean_cosine",
    "cosine_histogram",
    "mass_near_one",
    "effective_rank",
    "hdbscan_clusters",
    "nn_stability",
    "cka",
    "energy",
    "attention_entropy",
    "sinkhorn_fiedler",
)


def walk(seed, depths=4, tokens=13, dim=6, heads=2, axis: Literal["time", "layer"] = "layer"):
    rng = np.random.default_rng(seed)
    raw = np.cumsum(rng.standard_normal((depths, tokens, dim)), axis=0)
    attention = None
    if heads:
        attention = rng.uniform(size=(depths, heads, tokens, tokens)) ** 4
        attention /= attention.sum(axis=-1, keepdims=True)
        attention[-1] = np.nan
    return Trajectory(
        points=unit(raw),
        depth=np.arange(depths) * 1.5,
        axis=axis,
        norms=np.linalg.norm(raw, axis=-1),
        tokens=[f"w{i % 5}" for i in range(tokens)],
        attention=attention,
        provenance={"seed": seed, "beta": 2.0},
    )


def test_the_record_of_a_layer_trajectory():
    trajectory = walk(0)
    found = measure(trajectory, "published")
    assert set(NAMES) <= set(found)
    assert found["energy"].dims == ("depth", "beta")
    assert found["sinkhorn_fiedler"].dims == ("depth", "head")
    assert found["cosine_histogram"].dims == ("depth", "cosine")
    assert found["beta"].values.tolist() == [0.1, 1, 2, 5]
    assert found["depth"].values.tolist() == [0, 1.5, 3, 4.5]
    assert found["depth"].attrs["axis"] == found.attrs["axis"] == "layer"
    np.testing.assert_allclose(found["cosine"].values, np.arange(-0.98, 1, 0.04), atol=1e-12)
    np.testing.assert_allclose(found["height"].values, np.arange(0.05, 0.61, 0.05), atol=1e-12)
    assert found["token_name"].values.tolist() == list(trajectory.tokens)
    assert found.attrs["preset"] == "published"
    assert json.loads(found.attrs["provenance"]) == {"seed": 0, "beta": 2.0}
    assert int(found["cosine_histogram"].sum("cosine")[0]) == 13 * 12 // 2


def test_every_variable_says_what_it_is():
    for name, variable in measure(walk(0), "published").items():
        assert set(variable.attrs) == {"long_name", "units", "source", "definition"}, name
        assert "post" in variable.attrs["source"], name
        assert len(variable.attrs["definition"]) > 20, name


def test_what_compares_two_depths_stands_at_the_later_one():
    found = measure(walk(0), "published")
    for name in (
        "cka",
        "nn_stability",
        "energy_increment",
        "cluster_births",
        "cluster_deaths",
        "cluster_merges",
    ):
        assert np.isnan(found[name].values[0]).all(), name
        assert np.isfinite(found[name].values[1:]).all(), name
    np.testing.assert_allclose(found["energy_increment"].values[1:], np.diff(found["energy"].values, axis=0))


def test_attention_belongs_to_the_depth_it_is_computed_from():
    found = measure(walk(0), "published")
    for name in ("attention_entropy", "sinkhorn_fiedler", "sinkhorn_clusters", "row_column_balance"):
        assert np.isfinite(found[name].values[:-1]).all()
        assert np.isnan(found[name].values[-1]).all()


def test_group_c_is_missing_without_attention():
    with_attention, without = (
        measure(walk(0), "published"),
        measure(walk(0, heads=0, axis="time"), "published"),
    )
    group_c = {
        name for name in with_attention if with_attention[name].attrs["source"].startswith("post, Group C")
    }
    assert set(with_attention) - set(without) == group_c
    assert {"attention_entropy", "sinkhorn_fiedler", "head_class"} <= group_c
    assert "head" not in without.dims
    assert "sinkhorn_fiedler" not in without["signal"].values
    assert without.attrs["axis"] == "time"


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"must be one of 'calibrated', 'published', got 'calm'"):
        measure(walk(0), preset="calm")


def test_record_survives_a_file(tmp_path):
    found = measure(walk(1), "published")
    found.to_netcdf(tmp_path / "measured.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "measured.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(found, again.load())


def test_depths_measured_in_blocks_are_the_same(monkeypatch):
    whole = measure(walk(2), "published")
    monkeypatch.setattr(preset, "MOST_ENTRIES", 13 * 13 * 3)
    # The order in which NumPy adds up the pairs depends on the shape of the block.
    xr.testing.assert_allclose(measure(walk(2), "published"), whole, rtol=1e-12, atol=1e-12)


# Rotations and reorderings change the order of sums: a few hundred terms of order 1, quotients and eigenvalues of them.
MOVED = 1e-9
# KMeans draws its starts by token number; the hdbscan package's reading, and equal overlaps of clusters, leave ties.
ORDER_BOUND = (
    "kmeans_clusters",
    "kmeans_silhouette",
    "methods_agree",
    "hdbscan_package_clusters",
    "hdbscan_package_noise",
    "hdbscan_package_fewest",
    "hdbscan_package_most",
    "cluster_births",
    "cluster_deaths",
    "cluster_merges",
    "clusters_absorbed",
    "tracks",
    "mean_lifespan",
    "max_lifespan",
)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_rotating_the_sphere_changes_nothing(seed):
    trajectory = walk(seed)
    rotation = np.linalg.qr(np.random.default_rng(seed + 1).standard_normal((6, 6)))[0]
    rotated = Trajectory(
        points=trajectory.points @ rotation,
        depth=trajectory.depth,
        axis="layer",
        norms=trajectory.norms,
        tokens=trajectory.tokens,
        attention=trajectory.attention,
    )
    before, after = measure(trajectory, "published"), measure(rotated, "published")
    for name in before:
        if before[name].dtype.kind == "f":
            np.testing.assert_allclose(
                after[name].values, before[name].values, atol=MOVED, rtol=MOVED, err_msg=name
            )
        else:
            np.testing.assert_array_equal(after[name].values, before[name].values, err_msg=name)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_reordering_the_tokens_reorders_the_result(seed):
    trajectory = walk(seed)
    assert trajectory.attention is not None
    order = np.random.default_rng(seed + 1).permutation(13)
    reordered = Trajectory(
        points=trajectory.points[:, order],
        depth=trajectory.depth,
        axis="layer",
        norms=trajectory.norms[:, order],
        tokens=np.asarray(trajectory.tokens)[order].tolist(),
        attention=trajectory.attention[:, :, order][:, :, :, order],
    )
    before, after = measure(trajectory, "published"), measure(reordered, "published")
    for name in before:
        if "token" in before[name].dims or name == "drop_pair_tokens" or name in ORDER_BOUND:
            continue
        if before[name].dtype.kind == "f":
            np.testing.assert_allclose(
                after[name].values, before[name].values, atol=MOVED, rtol=MOVED, err_msg=name
            )
        else:
            np.testing.assert_array_equal(after[name].values, before[name].values, err_msg=name)
    np.testing.assert_array_equal(
        order[after["nearest_neighbour"].values], before["nearest_neighbour"].values[:, order]
    )
    for name in ("fiedler_bipartition", "principal_coordinates"):
        np.testing.assert_allclose(after[name].values, before[name].values[:, order], atol=MOVED)


def test_masses_play_no_part():
    points = walk(0).points
    heavy = np.linspace(1, 2, 13)
    weighted = Trajectory(points=points, depth=np.arange(4.0), masses=heavy / heavy.sum())
    assert measure(weighted, "published").equals(
        measure(Trajectory(points=points, depth=np.arange(4.0)), "published")
    )


def collapsed(tokens, depths=4):
    points = np.broadcast_to(np.eye(3)[0], (depths, tokens, 3))
    attention = np.full((depths, 2, tokens, tokens), 1 / tokens)
    return Trajectory(points=points, depth=np.arange(depths) * 1.0, attention=attention)


def test_full_collapse():
    found = measure(collapsed(20), "published")
    for name, value in {
        "mean_cosine": 1,
        "mass_near_one": 1,
        "histogram_peaks": 0,
        "effective_rank": 1,
        "hdbscan_clusters": 0,
        "hdbscan_noise": 20,
        "hdbscan_package_clusters": 0,
        "kmeans_clusters": 1,
        "spectral_clusters": 1,
        "spectral_second_gap": 1,
        "attention_entropy": np.log(20),
        "sinkhorn_fiedler": 20 / 19,
    }.items():
        np.testing.assert_allclose(found[name].values, value, rtol=1e-10, err_msg=name)
    for name in ("kmeans_silhouette", "principal_variance", "cka", "mean_lifespan"):
        assert np.isnan(found[name].values).all(), name
    np.testing.assert_allclose(found["energy"].values, np.tile(np.exp(found.beta) / (2 * found.beta), (4, 1)))
    assert (found["agglomerative_clusters"] == 1).all()
    assert found["energy_ok"]
    assert found["tracks"] == 0


@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 9])
def test_few_tokens(tokens):
    found = measure(walk(3, tokens=tokens), "published")
    alone, pair = tokens == 1, tokens < 3
    for name in ("mean_cosine", "sd_cosine", "mass_near_one"):
        assert np.isnan(found[name].values).all() == alone
    assert np.isnan(found["nn_stability"].values[1:]).all() == alone
    assert np.isnan(found["sinkhorn_fiedler"].values[:-1]).all() == alone
    assert (found["nearest_neighbour"].values == -1).all() == alone
    assert (found["fiedler_bipartition"].values == 0).all() == pair
    assert (found["kmeans_clusters"].values < max(tokens, 2)).all()
    assert (found["kmeans_clusters"].values == 1).all() == (tokens < 4)
    assert np.isfinite(found["effective_rank"].values).all()
    assert np.isfinite(found["energy"].values).all()
    if alone:
        assert (found["hdbscan_clusters"] == 0).all()
        assert (found["hdbscan_noise"] == 1).all()
        np.testing.assert_allclose(
            found["energy"].values, np.tile(np.exp(found.beta) / (2 * found.beta), (4, 1))
        )


def test_a_single_depth_has_no_transition():
    found = measure(walk(4, depths=1, heads=0), "published")
    for name in ("cka", "nn_stability", "energy_increment", "cluster_births"):
        assert np.isnan(found[name].values).all()
    assert not found["plateau"].any()
    assert found["energy_ok"]


def test_duplicate_tokens_pair_up_and_set_the_mass():
    points = np.repeat(unit(np.random.default_rng(0).standard_normal((1, 6, 40))), 2, axis=1)
    found = measure(Trajectory(points=points, depth=np.zeros(1), tokens=list("aabbccddeeff")), "published")
    assert found["mass_near_one"].item() == pytest.approx(6 / 66)
    assert found["hdbscan_clusters"].item() == 6
    assert found["mutual_pairs"].item() == 6
    assert found["semantic_cycles"].item() == 0
    assert found["semantic_pairs"].item() == 6


def test_one_thread_while_it_measures_and_as_many_as_before_when_done(monkeypatch):
    def threads():
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    def watched(trajectory, **random):
        during.update(threads())
        return published(trajectory)

    during = {}
    monkeypatch.setattr(measurement, "PRESETS", {"published": watched})
    measure(walk(0), "published")  # loads every library that it uses
    with threadpool_limits(limits=2):
        before = threads()
        measure(walk(0), "published")
        after = threads()
    assert set(during.values()) == {1}
    assert set(before.values()) == {2}
    assert after == before
