"""Sums over pairs: every velocity to 1e-10 where products of tokens have no digit left, at any count of tiles."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import sim
import sim.kernel
from tests.helpers.slow_attention import (
    exact_velocity,
    means,
    relative_error,
    velocity_by_differences,
    written_by_differences,
)

pytestmark = pytest.mark.usefixtures("as_of_many")
EPS = np.finfo(np.float64).eps


def capped(centres, radius, each, seed=1):
    """Points within about `radius` of each centre, and the number of their centre."""
    groups = np.repeat(np.arange(len(centres)), each)
    noise = np.random.default_rng(seed).standard_normal((len(groups), centres.shape[1]))
    x = centres[groups] + radius * noise
    return x / np.linalg.norm(x, axis=1, keepdims=True) if radius else centres[groups], groups


def two(angle):
    return np.array([[1.0, 0.0, 0.0], [np.cos(angle), np.sin(angle), 0.0]])


# No cap has neighbours at the same distance on both sides, whose pulls would cancel.
ANGLES = np.cumsum(np.tile([0.2, 0.24, 0.27, 0.31], 6))
UNEVEN, GAP = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), 0.2
CLOUDS = {
    **{f"2 caps, {r:g}": (*capped(two(1.9), r, 24), 40 / (1 - np.cos(1.9))) for r in (0, 1e-12, 1e-9, 1e-6)},
    **{f"2 caps, {r:g}": (*capped(two(1.9), r, 24), 40 / (1 - np.cos(1.9))) for r in (1e-4, 1e-3, 1e-2)},
    **{f"24 caps, {r:g}": (*capped(UNEVEN, r, 2), 40 / (1 - np.cos(GAP))) for r in (0, 1e-6)},
    **{f"beta 1e7, {r:g}": (*capped(two(2.8e-3), r, 24), 1e7) for r in (0, 1e-9, 1e-6)},
    "uniform": (np.asarray(sim.uniform(48, 3, seed=0)), np.arange(48), 10.0),
    "uniform, beta 1000": (np.asarray(sim.uniform(48, 3, seed=0)), np.arange(48), 1000.0),
}


@pytest.mark.parametrize("kind", ["SA", "USA"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_velocity_keeps_its_digits(cloud, kind):
    x, groups, beta = CLOUDS[cloud]
    exact = exact_velocity(x, beta, kind)
    found = np.asarray(sim.Attention(beta, kind).velocity(x))
    assert np.max(relative_error(found, exact)) < 1e-10
    # A cap's mean is what its tokens' pulls on each other leave. Differences round those by eps each; products,
    # of which those are let pass that lose three to four digits, by up to 1e3 eps.
    centre, exact_centre = means(found.tolist(), groups), means(exact, groups)
    sizes = np.array([float(mpmath.norm(row)) for row in exact_centre])
    largest = np.array(
        [max(float(mpmath.norm(v)) for v, g in zip(exact, groups) if g == k) for k in set(groups)]
    )
    assert np.all(relative_error(centre, exact_centre) * sizes < 1e3 * EPS * largest + 1e-10 * sizes)


@pytest.fixture(scope="module")
def cloud():
    """301 tokens, of which some are alone, some lie in tight caps, two coincide and two are opposite."""
    loose = np.asarray(sim.uniform(200, 5, seed=3))
    tight, _ = capped(np.asarray(sim.uniform(4, 5, seed=4)), 1e-7, 24)
    return np.concatenate([loose, tight, loose[:2], -loose[2:5]])


def learned(heads, seed, names, d=5, rank=3):
    random = np.random.default_rng(seed)
    shapes = {
        "query": (heads, rank, d),
        "key": (heads, rank, d),
        "value": (heads, 4, d),
        "output": (heads, d, 4),
        "query_bias": (heads, rank),
        "key_bias": (heads, rank),
        "value_bias": (heads, 4 if "value" in names else d),
        "output_bias": (d,),
    }
    return {name: random.standard_normal(shapes[name]) for name in names}


FIELDS = {
    "SA": {},
    "USA": {"kind": "USA"},
    "causal": {"causal": True},
    "causal USA": {"causal": True, "kind": "USA"},
    "query and key": learned(2, 0, ("query", "key", "query_bias", "key_bias")),
    "causal query and key, value bias": {"causal": True, **learned(2, 1, ("query", "key", "value_bias"))},
    "all": learned(
        3, 2, ("query", "key", "value", "output", "query_bias", "key_bias", "value_bias", "output_bias")
    ),
    "value and output, causal USA": {"causal": True, "kind": "USA", **learned(2, 3, ("value", "output"))},
}


ONE_TILE, SEVERAL_WITH_A_REST = 2**20, 301 * 40


@pytest.mark.parametrize(
    ("name", "entries"),
    [(name, SEVERAL_WITH_A_REST) for name in FIELDS]
    + [(name, ONE_TILE) for name in ("SA", "causal USA", "all")],
)
def test_velocity_is_that_of_differences(name, entries, cloud, monkeypatch):
    monkeypatch.setattr(sim.kernel, "_entries", lambda _: entries)
    jax.clear_caches()
    masses = np.random.default_rng(8).uniform(0.5, 2, len(cloud))
    masses /= masses.sum()
    arguments = FIELDS[name]
    field = sim.Attention(12.0, **arguments)
    found = np.asarray(field.velocity(cloud, masses))
    expected = velocity_by_differences(cloud, 12.0, masses=masses, **arguments)
    # Rows keep at least 1e-10 of themselves where the pull is a difference, and of what they read elsewhere.
    size = np.linalg.norm(expected, axis=1)
    allowed = 1e-10 * size if "value" not in arguments else 1e-13 * np.max(size)
    assert np.all(np.linalg.norm(found - expected, axis=1) <= allowed + 1e-15 * np.max(size) * (size < 1e-12))
    towards, own, _ = written_by_differences(cloud, 12.0, masses=masses, **arguments)
    np.testing.assert_allclose(
        field.attend(cloud, masses), towards + own[:, None] * cloud, rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("norm", ["pre", "peri", "mix", "ngpt", "sqrt"])
def test_schemes_divide_the_same_pull(norm, cloud):
    parameters: dict[str, Any] = {"mix": {"tau": 0.5}, "ngpt": {"alpha": 0.3}}.get(norm, {})
    radii = np.linspace(1, 3, len(cloud))
    found = sim.Attention(12.0, norm=norm, **parameters).velocity(cloud, t=2.0, radii=radii)
    towards, own, _ = written_by_differences(cloud, 12.0)
    length = np.linalg.norm(towards + own[:, None] * cloud, axis=1)
    slowness = {
        "pre": radii,
        "peri": radii * length,
        "mix": radii,
        "ngpt": length / 0.3,
        "sqrt": np.sqrt(2.0),
    }
    expected = velocity_by_differences(cloud, 12.0) / np.broadcast_to(slowness[norm], len(cloud))[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_turned_or_reordered_tokens_move_alike(cloud):
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((5, 5)))[0]
    order = random.permutation(len(cloud))
    field = sim.Attention(12.0)
    velocity = np.asarray(field.velocity(cloud))
    size = np.linalg.norm(velocity, axis=1, keepdims=True)
    reordered = np.asarray(field.velocity(cloud[order]))
    assert np.all(np.abs(reordered - velocity[order]) <= 1e-10 * size[order] + 1e-16)
    # Turning rounds tokens by eps, by which the pull in a cap of radius 1e-7 changes.
    np.testing.assert_allclose(field.velocity(cloud @ turn.T), velocity @ turn.T, atol=1e-14)


@pytest.mark.parametrize(("kind", "radius"), [("SA", 1e-9), ("USA", 1e-2)])
def test_energy_grows_along_it(kind, radius):
    x, _ = capped(np.asarray(sim.uniform(6, 4, seed=5)), radius, 9)
    velocity = sim.Attention(30.0, kind).velocity(x)
    _, along = jax.jvp(lambda points: sim.energy(points, 30.0), (jnp.asarray(x),), (velocity,))
    assert along > 0


@pytest.mark.parametrize("n", [1, 2, 33])
def test_tokens_all_in_one_place(n):
    point = np.asarray(sim.uniform(1, 5, seed=0))
    for kind in ("SA", "USA"):
        field = sim.Attention(9.0, kind)
        np.testing.assert_array_equal(field.velocity(np.repeat(point, n, axis=0)), np.zeros((n, 5)))
    tight, _ = capped(point, 1e-12, n)
    if n > 1:
        assert (
            np.max(relative_error(np.asarray(sim.Attention(9.0).velocity(tight)), exact_velocity(tight, 9.0)))
            < 1e-10
        )


def test_opposite_tokens_and_rings_stand_still():
    pair = np.array([[0.6, 0.8, 0.0], [-0.6, -0.8, 0.0]])
    np.testing.assert_allclose(sim.Attention(3.0).velocity(pair), 0, atol=1e-17)
    for beta in (4.0, 1000.0):
        np.testing.assert_allclose(sim.Attention(beta).velocity(sim.ring(40)), 0, atol=1e-14)


def test_tokens_without_mass_pull_nobody(cloud):
    masses = np.where(np.arange(len(cloud)) % 2, 2.0, 0.0)
    masses /= masses.sum()
    found = np.asarray(sim.Attention(12.0, "USA").velocity(cloud, masses))
    heavy = masses > 0
    alone = np.asarray(sim.Attention(12.0, "USA").velocity(cloud[heavy], masses[heavy]))
    np.testing.assert_allclose(found[heavy], alone, rtol=1e-10, atol=1e-16)


def test_derivatives_are_those_of_differences():
    x, groups = capped(two(1.9), 1e-6, 4)
    together = np.stack([np.zeros(8), np.zeros(8), np.ones(8)], axis=1) * (groups == 0)[:, None]
    field = sim.Attention(30.0)

    def velocity(beta, points):
        return sim.Attention(beta).velocity(points)

    # A cap that moves as one has the same tokens in it: what changes is its far pull, of size e^-40.
    _, along = jax.jvp(field.velocity, (jnp.asarray(x),), (jnp.asarray(together),))
    assert np.max(np.abs(np.mean(np.asarray(along)[groups == 1], axis=0))) < 1e-15
    spread = np.asarray(sim.uniform(6, 3, seed=1))
    direction = np.random.default_rng(0).standard_normal((6, 3))
    _, along = jax.jvp(
        velocity, (jnp.asarray(2.0), jnp.asarray(spread)), (jnp.asarray(1.0), jnp.asarray(direction))
    )
    step = 1e-5
    there, back = (velocity_by_differences(spread + s * step * direction, 2.0 + s * step) for s in (1, -1))
    np.testing.assert_allclose(along, (there - back) / (2 * step), atol=1e-8)
    weighted = jax.grad(lambda points: jnp.sum(velocity(2.0, points) * direction))(jnp.asarray(spread))
    _, seen = jax.jvp(lambda points: velocity(2.0, points), (jnp.asarray(spread),), (jnp.asarray(direction),))
    np.testing.assert_allclose(np.sum(weighted * direction), np.sum(seen * direction), rtol=1e-12)


def test_batches_are_their_members():
    clouds = np.stack([capped(two(1.9), radius, 6)[0] for radius in (0, 1e-9, 1e-2)])
    batch = jax.vmap(sim.Attention(30.0).velocity)(jnp.asarray(clouds))
    for one, velocity in zip(clouds, batch):
        alone = np.asarray(sim.Attention(30.0).velocity(one))
        size = np.linalg.norm(alone, axis=1)
        assert np.all(np.linalg.norm(velocity - alone, axis=1) <= 1e-10 * size)


@pytest.mark.parametrize("wide", [True, False], ids=["64-bit JAX", "32-bit JAX"])
def test_single_precision_keeps_its_digits_too(wide):
    x, _ = capped(two(1.9), 1e-4, 12)
    x = x.astype(np.float32)
    with jax.enable_x64(wide):
        found = sim.Attention(20.0, dtype="float32").velocity(x)
    assert found.dtype == jnp.float32
    # eps^(3/4) of float32 is 6e-6, and tokens there have lengths of 1 to 6e-8, times beta in the logits.
    assert np.max(relative_error(np.asarray(found, np.float64), exact_velocity(x, 20.0))) < 1e-4


def test_weights_whose_squares_underflow_are_not_lost():
    x = np.asarray(sim.uniform(40, 16, seed=0))
    found = np.asarray(sim.Attention(1200.0, "USA").velocity(x))
    exact = exact_velocity(x, 1200.0, "USA")
    sizes = np.array([float(mpmath.norm(row)) for row in exact])
    # Below 1e-290 the numbers themselves have fewer digits.
    assert np.sum((sizes < 1e-160) & (sizes > 1e-290)) > 10
    assert np.max(relative_error(found, exact)[sizes > 1e-290]) < 1e-10


def test_loose_tokens_need_no_other_origin():
    # Uniform tokens where logits round by eps beta < eps^(2/3), and where squares of weights underflow.
    for beta, d in ((1e4, 3), (1000.0, 64)):
        x = jnp.asarray(sim.uniform(256, d, seed=0))
        weigh = sim.Attention(beta)._weights().numerators(x, jnp.full(256, 1 / 256))
        rows = jnp.arange(256)
        found = sim.kernel._pulls_around(jnp.mean(x, axis=0), rows, weigh, x, True, jnp.asarray(beta))
        assert np.sum(found.lost) < 10


def test_another_beta_compiles_nothing():
    traced = []

    @jax.jit
    def velocity(beta, x):
        traced.append(beta)
        return sim.Attention(beta).velocity(x)

    for beta in (1.0, 20.0, 1e4):
        velocity(jnp.asarray(beta), jnp.asarray(sim.uniform(7, 3, seed=0)))
    assert len(traced) == 1


def test_memory_of_many_tokens():
    points = jax.ShapeDtypeStruct((100_000, 3), jnp.float64)
    memory = jax.jit(lambda x: sim.Attention(4.0).velocity(x)).lower(points).compile().memory_analysis()
    # All weights at once would take 80 GB.
    assert memory is not None
    assert memory.temp_size_in_bytes < 2**28
