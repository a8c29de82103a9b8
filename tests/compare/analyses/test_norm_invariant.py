"""The Pre-LN invariant: exact on the theory's own flow, near on its blocks, and absent where lengths are fixed."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sim
from compare.analyses.idealised import idealised_blocks
from compare.analyses.norm_invariant import conservation
from compare.theory import normalisation_speeds

TOKENS, WIDTH, BETA = 6, 8, 2.0


def equiangular(rho):
    gram = rho + (1 - rho) * np.eye(TOKENS)
    return np.pad(np.linalg.cholesky(gram), ((0, 0), (0, WIDTH - TOKENS)))


def flow(times):
    """rho and r of equiangular tokens under Pre-LN, by SciPy on the speeds of the theory."""

    def rates(t, state):
        speeds = normalisation_speeds("pre", state[0], TOKENS, BETA, radius=state[1])
        return [float(speeds.rho), float(speeds.radius)]

    return solve_ivp(rates, (0, times[-1]), [0.1, 1.5], "DOP853", times, rtol=1e-12, atol=1e-14).y


def test_invariant_along_the_flow():
    times = np.array([0.0, 0.5, 2.0, 8.0, 30.0])
    rho, radius = flow(times)
    run = sim.Trajectory(
        np.stack([equiangular(each) for each in rho]),
        times,
        norms=np.repeat(radius[:, None], TOKENS, axis=1),
        provenance={"norm": "pre"},
    )
    found = conservation(run, BETA)
    np.testing.assert_allclose(found["gap"], 1 - rho, rtol=1e-10)
    np.testing.assert_allclose(found["radius"], radius, rtol=1e-12)
    np.testing.assert_allclose(found["product"], (1 - rho) * radius**2, rtol=1e-10)
    # solver's tolerance 1e-12 over 30 units of time
    np.testing.assert_allclose(found["invariant"], found["invariant"][0], rtol=1e-9)
    assert abs(found["invariant_drift"]) < 1e-9
    # the plain product is the limit only: it has yet to settle at the start, and has settled at the end
    assert abs(found["product_drift"]) > 0.1
    last = np.log(found["product"][-1] / found["product"][-2])
    assert abs(last) < 0.02 * abs(np.log(found["gap"][-1] / found["gap"][-2]))
    np.testing.assert_allclose(found["product_drift"], found["gap_drift"] + found["radius_drift"], rtol=1e-12)


def layers(points, norms, scheme="pre"):
    facts = {"scheme": scheme, "causal": False}
    return sim.Trajectory(points, np.arange(len(points)), "layer", norms, provenance=facts)


def test_idealised_blocks_from_close_tokens_keep_the_product():
    """Attention adds nearly one vector to all, so differences stay while lengths grow: drift of second order only."""
    start = equiangular(0.99)
    given = layers(np.repeat(start[None], 9, axis=0), np.full((9, TOKENS), np.sqrt(WIDTH)))
    found = conservation(idealised_blocks(given, 0.1), 0.1)
    assert found["gap_drift"] < -3
    # beta (1 - rho) = 1e-3 is what attention deviates from the mean by
    np.testing.assert_allclose(found["product_drift"], 0, atol=3e-3)
    np.testing.assert_allclose(found["radius"][0], 1, rtol=1e-12)


def test_tokens_that_count_by_a_loop():
    random = np.random.default_rng(3)
    points = random.standard_normal((5, TOKENS, WIDTH))
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    norms = random.uniform(1, 3, (5, TOKENS))
    keep = np.array([False, True, True, True, False, True])
    found = conservation(layers(points, norms), 1.0, keep)
    for depth in range(5):
        cloud, lengths = points[depth][keep], norms[depth][keep] / np.sqrt(WIDTH)
        gap = np.mean([1 - cloud[i] @ cloud[j] for i in range(4) for j in range(i)])
        np.testing.assert_allclose(found["gap"][depth], gap, rtol=1e-12)
        np.testing.assert_allclose(found["product"][depth], gap * np.mean(lengths**2), rtol=1e-12)


def test_consensus_and_wide_spread_have_no_invariant():
    one = np.tile([[[1.0, 0, 0]]], (1, 4, 1))
    apart = np.array([[[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]])
    found = conservation(layers(np.concatenate([apart, one]), np.ones((2, 4))), 1.0)
    assert found["invariant"].isnull().all()
    assert np.isnan(found["invariant_drift"])
    assert np.isnan(found["gap_drift"])
    assert found["radius_drift"] == 0


def test_other_schemes_are_refused():
    points = np.tile(np.eye(4), (2, 1, 1))
    with pytest.raises(ValueError, match="pre-LN"):
        conservation(layers(points, np.ones((2, 4)), "post"), 1.0)
    with pytest.raises(ValueError, match="lower since"):
        conservation(layers(points, np.ones((2, 4))), 1.0, since=1.0)


def test_drifts_since_a_depth():
    """A first block that makes tokens 50 times as long is left out, and nothing else moves."""
    points = np.tile(equiangular(0.5), (4, 1, 1))
    norms = np.repeat([[1.0], [50.0], [50.0], [100.0]], TOKENS, axis=1)
    found = conservation(layers(points, norms), 1.0, since=1.0)
    np.testing.assert_allclose(found["product_drift"], 2 * np.log(2), rtol=1e-12)
    np.testing.assert_allclose(found["gap_drift"], 0, atol=1e-12)
    assert found.sizes["depth"] == 4
