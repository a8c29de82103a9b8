"""The mathematics of the explorer's page, as its own scripts do it, against sim, SciPy and the closed form."""

import mpmath
import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

import sim
from compare.reporting.explorer_data import coded_chords, embedded
from compare.theory import gamma
from sim.sphere import normalise
from tests.helpers.javascript import call, node

NODE = str(node())
pytestmark = pytest.mark.skipif(
    node() is None, reason="needs Node (pip install pyright[nodejs]), and found none"
)
SETTINGS = [
    {"beta": beta, "kind": kind, "sign": sign, "causal": causal}
    for beta in (0.0, 1.0, 9.0, 200.0)
    for kind in ("SA", "USA")
    for sign in (1, -1)
    for causal in (False, True)
]
TIGHT = 1e-7


def clouds():
    """Uniform tokens, and clusters so tight that a product of two tokens has lost what tells them apart."""
    for dimension in (2, 3):
        yield sim.uniform(12, dimension, seed=dimension)
        centres = sim.uniform(3, dimension, seed=5).repeat(4, axis=0)
        around = np.random.default_rng(6).standard_normal(centres.shape)
        yield normalise(centres + TIGHT * around)


def field(settings, dimension):
    value = None if settings["sign"] == 1 else -np.eye(dimension)
    return sim.Attention(settings["beta"], settings["kind"], settings["causal"], value=value)


def few(settings):
    """Two of the four fields: each takes JAX a second to compile, in each dimension again."""
    return settings["causal"] == (settings["kind"] == "USA")


def velocities(points, settings):
    wanted = [(points.ravel().tolist(), points.shape[1], one) for one in settings]
    found = call(NODE, "attention.js", "(all) => all.map((each) => Array.from(velocity(...each)))", wanted)
    return np.reshape(found, (len(settings), *points.shape))


@pytest.mark.parametrize("points", [*clouds()], ids=lambda points: f"d{points.shape[1]}")
def test_velocities_are_those_of_sim(points):
    """V = I: to 1e-10 of each token's speed, sim's own promise, also where that is 1e-50; it is 2e-12 here.

    The largest entry stands for the speed, whose square may underflow.
    """
    settings = [one for one in SETTINGS if one["sign"] == 1 and (points.shape[1] == 3 or few(one))]
    for one, found in zip(settings, velocities(points, settings)):
        expected = np.asarray(field(one, points.shape[1]).velocity(points))
        speed = np.abs(expected).max(axis=1, keepdims=True)
        assert (np.abs(found - expected) <= 1e-10 * speed).all(), one


def exactly(points, beta):
    """The velocity under SA with V = I, from 50 digits."""
    with mpmath.workdps(50):
        x = [mpmath.matrix(point.tolist()) for point in points]
        found = []
        for at in x:
            apart = [other - at for other in x]
            weights = [mpmath.exp(-beta * (each.T * each)[0] / 2) for each in apart]
            pull = sum((w * each for w, each in zip(weights, apart)), at * 0) / sum(weights)
            along = (at.T * pull)[0] / (at.T * at)[0]
            found.append([float(value) for value in pull - along * at])
        return np.array(found)


@pytest.mark.parametrize("points", [*clouds()], ids=lambda points: f"d{points.shape[1]}")
def test_velocities_keep_their_digits(points):
    """To 1e-12 of each token's speed: an exponent of up to 2 beta = 400 rounds a weight by 1e-13.

    It is 1e-13 here; a sum of w_j x_j - w_j x_i instead of w_j (x_j - x_i) is off by 3e-11 in the tight clusters.
    """
    for beta in (9.0, 200.0):
        (found,) = velocities(points, [{"beta": beta, "kind": "SA", "sign": 1, "causal": False}])
        expected = exactly(points, beta)
        speed = np.abs(expected).max(axis=1, keepdims=True)
        assert (np.abs(found - expected) <= 1e-12 * speed).all(), beta


def test_repulsive_velocities_are_those_of_sim():
    """V = -I: there sim rounds by eps of the largest value, which is 1; and they are those of V = I, turned round."""
    points = sim.uniform(12, 3, seed=3)
    settings = [one for one in SETTINGS if one["sign"] == -1]
    found = velocities(points, settings)
    np.testing.assert_array_equal(found, -velocities(points, [one | {"sign": 1} for one in settings]))
    for one, each in zip(settings, found):
        if few(one):
            np.testing.assert_allclose(each, field(one, 3).velocity(points), rtol=0, atol=1e-14)


def test_steps_follow_the_closed_form():
    """Two orthogonal tokens of SA: their cosine over time, in some hundred steps with errors of at most 1e-8 each.

    With an estimate of order 3 a step is about 1e-8^(1/3); one of a lower order would take thousands.
    """
    settings = {"beta": 2.0, "kind": "SA", "sign": 1, "causal": False}
    script = """(points, field) => {
      let state = { points: Float64Array.from(points), time: 0, step: 0.01 };
      let steps = 0;
      for (; state.time < 2; steps++) state = advance(state, 2, field, 2, 1e-8);
      return [steps, ...state.points];
    }"""
    steps, *points = call(NODE, "attention.js", script, np.eye(2).ravel().tolist(), settings)
    one, other = np.reshape(points, (2, 2))
    assert 20 < steps < 500
    assert one @ other == pytest.approx(gamma(2.0, 2, 2.0), abs=1e-6)


def test_uniform_points_are_uniform():
    """Mean and second moments of 20,000 points on S^2, to five standard errors."""
    script = "(count) => Array.from(uniformPoints(count, 3, 7))"
    points = np.reshape(call(NODE, "attention.js", script, 20_000), (-1, 3))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-15)
    error = 5 / np.sqrt(len(points))
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=error)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(3) / 3, atol=error)


def merging():
    """Tokens that are drawn to three centres, and these to the first, by e^-t and e^(4 - t)."""
    times = np.linspace(0, 18, 13)
    at, centres = sim.uniform(14, 3, seed=1), sim.uniform(3, 3, seed=2)
    centre = centres[np.arange(14) % 3]
    near = np.minimum(1, np.exp(4 - times))[:, None, None]
    points = np.exp(-times)[:, None, None] * at + near * centre + (1 - near) * centres[0]
    return sim.Trajectory(normalise(points), times, provenance={"beta": 9.0})


def test_what_is_embedded_comes_back():
    run = merging()
    one = embedded(run, "one", "theory")
    script = "(run) => [[...decodedChords(run.chords)], [...decodedPoints(run.points)]]"
    chords, points = call(NODE, "clusters.js", script, one)
    true = np.stack([pdist(each) for each in run.points])
    far = true >= 1e-6
    chords = np.reshape(chords, true.shape)
    assert 0 < far.sum() < far.size  # the last clusters are tighter than what is told apart
    np.testing.assert_allclose(chords[far], true[far], rtol=1.2e-4)  # half a step of the code
    assert (chords[~far] == 0).all()
    placed = np.reshape(points, (*run.points.shape[:2], 3))
    cosines, drawn = (each @ each.swapaxes(1, 2) for each in (run.points, placed))
    np.testing.assert_allclose(drawn, cosines, atol=1e-4)  # on S^2 three axes lose nothing but the rounding
    assert one["depths"] == pytest.approx(run.depth.tolist(), rel=1e-8)


def test_ends_of_the_code():
    points = np.array([[[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]])
    codes = coded_chords(points)[0]
    assert codes.tolist() == [65535, 0, 65535]
    assert call(NODE, "clusters.js", "(codes) => codes.map((code) => CHORDS[code])", codes.tolist()) == [
        2,
        0,
        2,
    ]


def test_clusters_and_energy_are_those_of_scipy_and_sim():
    run, radius = merging(), 0.4
    script = "(all, ...rest) => all.map((chords) => [...clustersAt(chords, ...rest)])"
    chords = [pdist(x).tolist() for x in run.points]
    for x, found in zip(run.points, call(NODE, "clusters.js", script, chords, 14, radius)):
        expected = fcluster(linkage(x, "single"), radius, "distance")
        assert (np.equal.outer(found, found) == np.equal.outer(expected, expected)).all()
    masses = np.full(14, 1 / 14).tolist()
    energy = call(NODE, "clusters.js", "energyOf", pdist(run.points[3]).tolist(), masses, 9.0)
    assert energy == pytest.approx(float(sim.energy(run.points[3], 9.0)), rel=1e-13)


@pytest.mark.parametrize("depths", [13, 4])
def test_the_tree_is_single_linkage_of_the_depths_of_joining(depths):
    """To the end, where all tokens have joined, and to a depth at which three branches are left."""
    radius = 0.4
    chords = np.stack([pdist(each) for each in merging().points[:depths]])
    script = """(chords, depths, count, radius) => {
      const heights = joinings(Float64Array.from(chords), depths, radius);
      return { heights: [...heights], ...treeOf(heights, count) };
    }"""
    found = call(NODE, "clusters.js", script, chords.ravel().tolist(), len(chords), 14, radius)
    apart = chords > radius
    joined = len(chords) - np.argmax(apart[::-1], axis=0)
    joined = np.where(apart.any(axis=0), joined, 0)
    expected = np.where(joined < len(chords), joined, len(chords) + chords[-1])
    np.testing.assert_array_equal(found["heights"], expected)
    tree = linkage(expected, "single")
    assert (tree[:, 2] >= depths).sum() == (0 if depths == 13 else 2)
    assert [join["height"] for join in found["joins"]] == pytest.approx(tree[:, 2].tolist(), rel=1e-15)
    assert sorted(found["order"]) == list(range(14))
    for join in found["joins"]:  # a branch is a run of neighbours
        places = sorted(found["order"].index(token) for token in join["tokens"])
        assert places == list(range(places[0], places[0] + len(places)))


def test_the_larger_branch_keeps_its_look():
    """Tokens 0 and 1 join, then 2, 3 and 4; then both: the second branch is larger, the first ranks next."""
    joins = [
        {"a": 0, "b": 1, "height": 0, "tokens": [0, 1]},
        {"a": 2, "b": 3, "height": 1, "tokens": [2, 3]},
        {"a": 6, "b": 4, "height": 2, "tokens": [2, 3, 4]},
        {"a": 5, "b": 7, "height": 3, "tokens": [0, 1, 2, 3, 4]},
    ]
    assert call(NODE, "clusters.js", "(...all) => [...ranksOf(...all)]", joins, 5) == [1, 2, 0, 3, 4]
    assert call(NODE, "clusters.js", "looksOf", [0, 0, 2, 2, 4], [1, 2, 0, 3, 4]) == [1, 1, 0, 0, -1]
