"""The calibrated preset as a record: its variables, its seed, its gate and energy, and degenerate clouds."""

import json

import numpy as np
import pytest

from compare.metrics.calibrated import energy
from compare.metrics.calibrated.gate import gate
from compare.metrics.measurement import measure
from tests.helpers.clouds import in_time, measured
from tests.helpers.vectors import unit

VARIABLES = {
    "cluster_life": ("depth",),
    "cluster_life_null": ("draw", "depth"),
    "cluster_life_excess": ("depth",),
    "cluster_label": ("depth", "token"),
    "cluster_number": ("depth",),
    "plateau_share": (),
    "plateau_start": (),
    "plateau_end": (),
    "first_plateau_start": (),
    "first_plateau_end": (),
    "plateau_share_null": ("draw",),
    "mean_length": ("depth",),
    "mean_cosine": ("depth",),
    "energy": ("depth",),
    "energy_noise": ("depth",),
    "gate_z": (),
    "gate_p": (),
    "late_excess": ("variant",),
    "gain": ("variant",),
    "plateau_share_effect": ("variant",),
    "stage_excess": ("variant",),
    "closeness_excess": ("depth",),
    "late_closeness": (),
    "stage_closeness": (),
}


def test_the_record():
    random = np.random.default_rng(0)
    points = unit(np.cumsum(random.standard_normal((5, 16, 4)), axis=0))
    found = measured(points, draws=7, seed=3)
    assert {name: variable.dims for name, variable in found.items()}.items() >= VARIABLES.items()
    assert found["variant"].values[0] == "base"
    assert {name: found.sizes[name] for name in ("depth", "token", "draw")} == {
        "depth": 5,
        "token": 16,
        "draw": 7,
    }
    assert {*found.sizes} == {"depth", "token", "draw", "variant", "held_out_depth", "clusters"}
    assert found["kept"].dtype == bool
    plain = {name: found.attrs[name] for name in ("preset", "axis", "draws", "seed", "beta", "beta_source")}
    assert plain == {
        "preset": "calibrated",
        "axis": "time",
        "draws": 7,
        "seed": 0,
        "beta": 4.0,
        "beta_source": "provenance",
    }
    assert json.loads(found.attrs["provenance"]) == {"beta": 4.0, "seed": 3}
    assert json.loads(found.attrs["treatment"])["kept"] == 16
    assert json.loads(found.attrs["thresholds"])["coverage"] == 0.6
    for variable in found.values():
        assert set(variable.attrs) == {"long_name", "units", "source", "definition"}
    excess = found["cluster_life"] - found["cluster_life_null"].mean("draw")
    np.testing.assert_allclose(found["cluster_life_excess"], excess, atol=1e-12)
    late = found["cluster_life_excess"].values[-2:].mean()
    np.testing.assert_allclose(found["late_excess"][0], late, atol=1e-12)
    np.testing.assert_allclose(found["gain"][0], late - excess[0], atol=1e-12)
    np.testing.assert_allclose(
        found["plateau_share_effect"][0],
        found["plateau_share"] - found["plateau_share_null"].mean(),
        atol=1e-12,
    )
    gram = points @ points.swapaxes(1, 2)
    above = np.triu_indices(16, k=1)
    np.testing.assert_allclose(found["mean_cosine"], gram[:, *above].mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found["mean_length"], np.linalg.norm(points.mean(axis=1), axis=1), atol=1e-12)


def test_the_same_seed_gives_the_same_bytes():
    random = np.random.default_rng(1)
    points = unit(np.cumsum(random.standard_normal((7, 20, 5)), axis=0))
    one, again = (measured(points) for _ in range(2))
    for name in one:
        assert one[name].values.tobytes() == again[name].values.tobytes(), name
    assert one.attrs == again.attrs

    other = measure(in_time(points), draws=19, seed=5)
    assert not np.array_equal(other["cluster_life_null"], one["cluster_life_null"])
    assert np.array_equal(other["cluster_life"], one["cluster_life"])


def test_the_gate_knows_order_from_noise():
    random = np.random.default_rng(6)
    still = random.standard_normal((20, 8))
    fresh = [gate(unit(still + 0.3 * random.standard_normal((8, 20, 8))), seed) for seed in range(200)]
    z, p = np.array(fresh).T
    # 200 exchangeable runs: the mean of z has sd .07, the share of p <= .05 sd .015
    assert abs(z.mean()) < 0.3
    assert abs(z.std() - 1) < 0.25
    assert np.mean(p <= 0.05) < 0.11
    walk = gate(unit(still + np.cumsum(0.3 * random.standard_normal((8, 20, 8)), axis=0)))
    assert walk.gate_z > 3
    assert walk.gate_p == 1 / 200
    assert np.isnan(gate(np.repeat(unit(still)[None], 5, axis=0))).all()
    assert np.isnan(gate(unit(random.standard_normal((2, 20, 8))))).all()


def test_energy_and_its_noise():
    random = np.random.default_rng(7)
    points = unit(random.standard_normal((3, 9, 4)))
    masses = random.uniform(1, 2, 9)
    masses /= masses.sum()
    found = energy.pair_energy(points, 3.0, masses)
    for depth in range(3):
        over = under = 0.0
        for i in range(9):
            for j in range(9):
                if i != j:
                    weight = masses[i] * masses[j]
                    over += weight * np.exp(3 * (points[depth, i] @ points[depth, j] - 1))
                    under += weight
        np.testing.assert_allclose(found[depth], over / under, rtol=1e-13)
    coarse, fine = (energy.energy_noise(points, 3.0, masses, size) for size in (1e-3, 1e-6))
    assert np.all(coarse >= np.median(coarse))
    np.testing.assert_allclose(np.median(coarse / fine), 1e3, rtol=0.3)  # six draws; linear in the noise
    assert energy.relative_noise({"dtype": "bfloat16"}) == 2.0**-8
    assert energy.relative_noise({"dtype": "float64", "rtol": 1e-9}) == 1e-9
    levels, noise = np.array([0.1, 0.2, 0.15, 0.4, 0.4001]), np.full(5, 0.001)
    share, steps = energy.descent_share(levels, noise)
    assert steps == 3
    np.testing.assert_allclose(share, 0.05 / 0.4)
    assert np.isnan(energy.descent_share(levels, np.full(5, 1.0))[0])


@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 6])
def test_few_tokens_have_no_clusters(tokens):
    points = unit(np.random.default_rng(tokens).standard_normal((4, tokens, 3)))
    found = measured(points, draws=5)
    assert {name: variable.dims for name, variable in found.items()}.items() >= VARIABLES.items()
    assert np.all(
        found["cluster_life_excess"] == found["cluster_life"] - found["cluster_life_null"].mean("draw")
    )
    if tokens < 6:
        assert np.all(found["cluster_life"] == 0)
        assert np.all(found["cluster_label"] == -1)
    assert np.isnan(found["mean_cosine"]).all() == (tokens == 1)


def test_one_depth_and_one_point():
    random = np.random.default_rng(8)
    single = measured(unit(random.standard_normal((1, 20, 4))), draws=5)
    assert np.isnan(single["gate_z"])
    assert single["plateau_share"] == 0
    collapsed = measured(np.repeat(unit(random.standard_normal((4, 1, 3))), 20, axis=1), draws=5)
    assert np.all(collapsed["cluster_life_excess"] == 0)
    np.testing.assert_allclose(collapsed["mean_cosine"], 1, atol=1e-12)
    np.testing.assert_allclose(collapsed["energy"], 1, atol=1e-12)


def test_fewer_than_two_draws_are_an_error():
    points = unit(np.random.default_rng(0).standard_normal((3, 8, 3)))
    with pytest.raises(ValueError, match="draws must be a whole number of at least 2, got 1"):
        measure(in_time(points), draws=1)
