"""The calibrated preset against slow oracles, on clouds whose answer is known, and on degenerate ones."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from sklearn.metrics import adjusted_rand_score

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
}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def in_time(points, **facts):
    from sim.trajectory import Trajectory

    return Trajectory(points, np.arange(float(len(points))), provenance={"beta": 4.0, **facts})


def measured(points, draws=19, **facts):
    from compare.metrics import measure

    return measure(in_time(points, **facts), draws=draws)


def groups(random, tokens, dim, clusters, width):
    """Tokens around orthogonal centres, in random order."""
    labels = random.permutation(np.arange(tokens) % clusters)
    return np.eye(dim)[labels] + width * random.standard_normal((tokens, dim)), labels


def slow_life(points, rule):
    """W by the words of its definition: distances, a spanning tree of SciPy, components at every radius between two."""
    n = len(points)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    core = np.sort(apart, axis=1)[:, rule.neighbour]
    reach = np.maximum(apart, np.maximum(core[:, None], core))
    np.fill_diagonal(reach, 0)
    radii = np.sort(minimum_spanning_tree(reach).data)
    total, longest, cut, onset = 0.0, 0.0, None, np.nan
    for low, high in pairwise(radii):
        sizes = np.bincount(connected_components(reach <= low * (1 + 1e-12))[1])
        effective = 1 / np.sum((sizes / n) ** 2)
        counted = sizes[sizes >= max(3, rule.component * n)]
        if counted.sum() < rule.coverage * n:
            continue
        if np.isnan(onset):
            onset = np.log(max(low, rule.floor))
        if rule.fewest <= effective <= rule.most * n and len(counted) >= 2:
            length = np.log(max(high, rule.floor)) - np.log(max(low, rule.floor))
            total += length
            if length > longest:
                longest, cut = length, low
    labels = None if cut is None else connected_components(reach <= cut * (1 + 1e-12))[1]
    return total, labels, onset


def found_life(points, rule):
    from compare.metrics import cluster_life as life

    squared = life.squared_chords(points)
    mergers = life.mergers(squared, life.core_squares(squared)[rule.neighbour - 1])
    grown = life.growth(mergers.radius, np.array([life.least_size(points.shape[1], rule)]))
    return life.cluster_life(grown, 0, rule), mergers


@pytest.mark.parametrize("neighbour", [1, 2, 3])
def test_cluster_life_agrees_with_its_definition(neighbour):
    from compare.metrics import cluster_life as life

    random = np.random.default_rng(neighbour)
    clouds = [
        groups(random, 40, 5, clusters, width)[0] for clusters in (2, 4) for width in (0.003, 0.1, 0.3, 1.0)
    ]
    points = unit(np.array(clouds))
    rule = life.Rule(neighbour=neighbour)
    found, mergers = found_life(points, rule)
    for place, cloud in enumerate(points):
        total, labels, onset = slow_life(cloud, rule)
        # chords from Gram matrices: squares to 1e-15, chords over the floor of .01 to 1e-13
        np.testing.assert_allclose(found.life[place], total, atol=1e-10)
        np.testing.assert_allclose(found.onset[place], onset, atol=1e-10)
        if labels is None:
            assert found.cut[place] == -1
        else:
            own = life.Mergers(mergers.order[place], mergers.radius[place])
            assert adjusted_rand_score(labels, life.components(own, int(found.cut[place]))) == 1
    assert found.life.max() > 3


def test_single_precision_is_enough_for_the_null():
    from compare.metrics import cluster_life as life

    random = np.random.default_rng(3)
    wide = random.standard_normal((6, 60, 20))
    tight = np.eye(20)[0] + 0.02 * random.standard_normal((6, 60, 20))
    grouped = [groups(random, 60, 20, 4, width)[0] for width in (0.001, 0.01, 0.05, 0.1, 0.2, 0.4)]
    points = unit(np.concatenate([wide, tight, grouped]))
    exact = found_life(points, life.Rule())[0].life
    single = found_life(points.astype(np.float32), life.Rule())[0].life
    # squares of chords are good to some 1e-7; at the floor, r^2 = 1e-4, that is 1e-3 of log r
    np.testing.assert_allclose(single, exact, atol=2e-3)


def test_a_common_scale_and_order_of_tokens_do_not_matter():
    from compare.metrics import cluster_life as life

    random = np.random.default_rng(4)
    points = unit(groups(random, 30, 6, 3, 0.2)[0])[None]
    own = found_life(points, life.Rule())[0]
    moved = found_life(points[:, random.permutation(30)], life.Rule())[0]
    np.testing.assert_allclose(moved.life, own.life, atol=1e-12)
    np.testing.assert_allclose(found_life(points / 2, life.Rule())[0].life, own.life, atol=1e-12)


def test_adjusted_rand_agrees_with_scikit_learn():
    from compare.metrics.plateaus import adjusted_rand

    random = np.random.default_rng(5)
    for kinds in (1, 2, 5, 30):
        one, other = random.integers(0, kinds, (2, 30))
        np.testing.assert_allclose(adjusted_rand(one, other), adjusted_rand_score(one, other), atol=1e-12)
    assert adjusted_rand(np.arange(5), np.arange(5)) == 1


def plateaus_of(on, labels, onset, **changed):
    from compare.metrics.plateaus import PlateauRule, adjusted_rand, plateaus

    labels = np.asarray(labels)
    return tuple(
        plateaus(
            np.asarray(on, bool),
            lambda one, other: adjusted_rand(labels[one], labels[other]),
            np.asarray(onset, float),
            PlateauRule(**changed),
        )
    )


def test_plateaus_by_hand():
    first, second = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2], 4)
    still = np.zeros(9)
    assert plateaus_of([0, 1, 1, 1, 1, 0, 1, 1, 0], [first] * 9, still) == (1, 4, 1, 4)
    assert plateaus_of([1] * 9, [first] * 4 + [second] * 5, still) == (4, 8, 0, 3)
    assert plateaus_of([1] * 9, [first] * 9, still, depths=10) == (-1, -1, -1, -1)
    assert plateaus_of([1, 1, 0, 1, 1, 0, 1, 1, 0], [first] * 9, still) == (-1, -1, -1, -1)
    # a run whose clusters form at a radius that grows by more than exp(.3) is no plateau, however still it was at first
    loosening = [0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert plateaus_of([1] * 9, [first] * 9, loosening) == (-1, -1, -1, -1)
    assert plateaus_of([1] * 9, [first] * 9, -np.array(loosening)) == (0, 8, 0, 8)
    melts = [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert plateaus_of([1] * 5 + [0] * 4, [first] * 9, melts) == (-1, -1, -1, -1)
    assert plateaus_of([1] * 5 + [0] * 4, [first] * 9, still) == (0, 4, 0, 4)


def test_a_partition_that_creeps_away_ends_its_plateau():
    labels = np.repeat([np.repeat([0, 1], 20)], 9, axis=0)
    for depth in range(9):
        labels[depth, :depth] = 1  # one token more changes side at each depth
    start, end, *_ = plateaus_of([1] * 9, labels, np.zeros(9))
    assert (start, end) != (-1, -1)
    assert adjusted_rand_score(labels[start], labels[end]) >= 0.7
    assert end - start < 8


def test_the_gate_knows_order_from_noise():
    from compare.metrics.gate import gate

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
    from compare.metrics import descent

    random = np.random.default_rng(7)
    points = unit(random.standard_normal((3, 9, 4)))
    masses = random.uniform(1, 2, 9)
    masses /= masses.sum()
    found = descent.pair_energy(points, 3.0, masses)
    for depth in range(3):
        over = under = 0.0
        for i in range(9):
            for j in range(9):
                if i != j:
                    weight = masses[i] * masses[j]
                    over += weight * np.exp(3 * (points[depth, i] @ points[depth, j] - 1))
                    under += weight
        np.testing.assert_allclose(found[depth], over / under, rtol=1e-13)
    coarse, fine = (descent.energy_noise(points, 3.0, masses, size) for size in (1e-3, 1e-6))
    assert np.all(coarse >= np.median(coarse))
    np.testing.assert_allclose(np.median(coarse / fine), 1e3, rtol=0.3)  # six draws; linear in the noise
    assert descent.relative_noise({"dtype": "bfloat16"}) == 2.0**-8
    assert descent.relative_noise({"dtype": "float64", "rtol": 1e-9}) == 1e-9
    energy, noise = np.array([0.1, 0.2, 0.15, 0.4, 0.4001]), np.full(5, 0.001)
    share, steps = descent.descent_share(energy, noise)
    assert steps == 3
    np.testing.assert_allclose(share, 0.05 / 0.4)
    assert np.isnan(descent.descent_share(energy, np.full(5, 1.0))[0])


def slow_follow(attention, labels, expected, seen):
    over = under = 0.0
    for i in range(len(labels)):
        for j in range(len(labels)):
            if seen[i, j] and labels[i] == labels[j] >= 0:
                over, under = over + attention[i, j], under + expected[i, j]
    return np.log(over / under)


def test_attention_follow_is_the_quotient_it_says():
    from compare.metrics.attention_follow import attention_follow
    from compare.nulls import mask_matched

    random = np.random.default_rng(8)
    attention = random.uniform(size=(3, 2, 14, 14)) * np.tri(14)
    attention /= attention.sum(axis=-1, keepdims=True)
    attention[2] = np.nan
    labels = random.integers(-1, 3, (3, 14))
    labels[:, 4] = -2
    own, null = attention_follow(attention, labels, True, True, 9)
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
    from compare.metrics.attention_follow import attention_follow

    random = np.random.default_rng(9)
    alone, boosted, small = [], [], 0
    for _ in range(30):
        labels = np.repeat(random.integers(0, 4, 12), 4)
        for boost, into in ((0.0, alone), (1.0, boosted)):
            own, null = attention_follow(
                text_attention(random, labels, boost, causal)[None], labels[None], causal, True, 19
            )
            into.append(own.mean() - null.mean())
            small += boost == 0 and np.sum(null.mean(axis=(1, 2)) >= own.mean()) == 0
    assert abs(np.mean(alone)) < 4 * np.std(alone) / np.sqrt(30) + 0.005
    assert small <= 6  # 30 trials at 5 %: at most 6 with probability .999
    assert np.mean(boosted) > 0.05
    assert np.mean(np.array(boosted) > np.max(alone)) > 0.7


def test_the_record():
    random = np.random.default_rng(0)
    points = unit(np.cumsum(random.standard_normal((5, 16, 4)), axis=0))
    found = measured(points, draws=7, seed=3)
    assert {name: variable.dims for name, variable in found.items()} == VARIABLES
    assert found["variant"].values[0] == "base"
    assert found.sizes == {"depth": 5, "token": 16, "draw": 7, "variant": found.sizes["variant"]}
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
    from compare.metrics import measure

    other = measure(in_time(points), draws=19, seed=5)
    assert not np.array_equal(other["cluster_life_null"], one["cluster_life_null"])
    assert np.array_equal(other["cluster_life"], one["cluster_life"])


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
    from compare.metrics.descent import descent_share

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
    assert frozen["plateau_share"] == 1
    assert frozen["gate_p"] > 0.01


@pytest.mark.parametrize("tokens", [1, 2, 3, 5, 6])
def test_few_tokens_have_no_clusters(tokens):
    points = unit(np.random.default_rng(tokens).standard_normal((4, tokens, 3)))
    found = measured(points, draws=5)
    assert {name: variable.dims for name, variable in found.items()} == VARIABLES
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


def test_beta_of_a_model_is_the_median_of_its_heads():
    from compare.metrics import measure
    from probe.temperature import temperature
    from sim.trajectory import Trajectory

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
    assert found.attrs["beta"] == np.median(temperature(trajectory)["beta_entropy"])
    assert found["attention_follow"].dims == ("depth", "head")
    assert found["attention_follow_null"].shape == (5, 4, 3)
    assert np.all(found["cluster_label"][:, 2] == -2)
    assert not found["kept"][2]
    unknown = measure(Trajectory(points, np.arange(4.0), axis="layer"), draws=5)
    assert unknown.attrs["beta_source"] == ""
    assert np.isnan(unknown["energy"]).all()
    assert np.isnan(unknown["energy_noise"]).all()
    assert "attention_follow" not in unknown


def test_fewer_than_two_draws_are_an_error():
    from compare.metrics import measure

    points = unit(np.random.default_rng(0).standard_normal((3, 8, 3)))
    with pytest.raises(ValueError, match="draws must be at least 2, got 1"):
        measure(in_time(points), draws=1)


def test_beta_belongs_to_the_sphere_without_rogue_coordinates():
    import sim
    from compare.metrics.calibrated import own_beta
    from compare.treatment import treatment

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
    made = treatment(trajectory)
    assert made.rogue.tolist() == [5]
    # the rows are softmax(8 cos) of these very points, so the entropy matches at 8 up to the solver's 1e-10
    assert own_beta(trajectory, made)[0] == pytest.approx(beta, rel=1e-6)
