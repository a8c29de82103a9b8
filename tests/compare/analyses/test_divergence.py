"""Where a model parts from the theory: planted deviations, by plain loops."""

import numpy as np
import pytest

import sim
from compare import theory
from compare.analyses.divergence import divergence
from compare.analyses.energy_budget import decomposition
from compare.analyses.idealised import effective_time
from tests.helpers.vectors import unit

BETA, TOKENS, WIDTH, BLOCKS, PUSHED_FROM = 2.0, 8, 6, 7, 4


def attend(theta):
    rows = np.empty_like(theta)
    for i in range(len(theta)):
        weights = np.exp(BETA * (theta @ theta[i] - 1))
        rows[i] = weights / weights.sum() @ theta
    return rows


def states(push):
    """Pre-LN blocks of idealised attention; from block `PUSHED_FROM` on, feed-forward parts push along `push`."""
    vectors = [2 * unit(np.random.default_rng(1).standard_normal((TOKENS, WIDTH)))]
    for block in range(1, BLOCKS + 1):
        vectors.append(vectors[-1] + attend(unit(vectors[-1])))
        vectors.append(vectors[-1] + (block >= PUSHED_FROM) * push)
    return np.stack(vectors)


def trajectory(vectors, **facts):
    lengths = np.linalg.norm(vectors, axis=-1)
    return sim.Trajectory(
        vectors / lengths[..., None],
        np.arange(len(vectors)) / 2,
        "layer",
        np.sqrt(WIDTH) * lengths,
        provenance={"scheme": "pre", "causal": False, **facts},
    )


@pytest.fixture(scope="module")
def pushed():
    return trajectory(states(np.full(WIDTH, 1.5)))


def mean_over_pairs(theta, function):
    pairs = [(i, j) for i in range(len(theta)) for j in range(i)]
    return np.mean([function(theta[i] @ theta[j]) for i, j in pairs])


def clusters_by_loop(theta, radius):
    """Components by spreading the smallest number along edges."""
    names = np.arange(len(theta))
    near = np.linalg.norm(theta[:, None] - theta[None], axis=-1) <= radius
    for _ in names:
        names = np.array([names[row].min() for row in near])
    return len(set(names))


def test_a_model_that_is_its_own_idealisation_never_parts():
    model = trajectory(states(np.zeros(WIDTH)))
    found = divergence(model, BETA, parts=decomposition(model, BETA))
    blocks = found.sel(against="idealised blocks")
    assert blocks["parting_depth"].isnull().all()
    assert (blocks["leading_part"] == "").all()
    assert blocks["leading_share"].isnull().all()
    np.testing.assert_allclose(blocks["excess"], 0, atol=1e-12)
    for name in ("time", "mean_cosine", "energy", "cluster_share"):
        np.testing.assert_allclose(
            found[name].sel(run="model"), found[name].sel(run="idealised blocks"), rtol=1e-12
        )


def test_followed_quantities_by_loops(pushed):
    found = divergence(pushed, BETA).sel(run="model")
    for place, theta in enumerate(pushed.points[::2]):
        expected = mean_over_pairs(theta, float)
        np.testing.assert_allclose(found["mean_cosine"][place], expected, atol=1e-13)
        energy = mean_over_pairs(theta, lambda cosine: np.exp(BETA * (cosine - 1)))
        np.testing.assert_allclose(found["energy"][place], energy, rtol=1e-13)
        count = clusters_by_loop(theta, BETA**-0.5)
        np.testing.assert_allclose(found["cluster_share"][place], count / TOKENS, rtol=1e-13)
    assert len(set(found["cluster_share"].values)) > 1


def test_the_part_that_was_planted_is_named(pushed):
    """Until block 4 the model is the theory's; then its feed-forward parts gather all tokens at once."""
    tolerance = 0.02
    found = divergence(pushed, BETA, parts=decomposition(pushed, BETA), tolerance=tolerance)
    blocks = found.sel(against="idealised blocks")
    gaps = abs(found["energy"].sel(run="model") - found["energy"].sel(run="idealised blocks"))
    np.testing.assert_allclose(gaps[:PUSHED_FROM], 0, atol=1e-13)
    assert (gaps[PUSHED_FROM:] > tolerance).all()
    assert blocks["parting_depth"].sel(quantity="energy") == PUSHED_FROM
    place = int(blocks["parting_depth"].sel(quantity="energy"))
    np.testing.assert_allclose(
        blocks["parting_time"].sel(quantity="energy"), found["time"].sel(run="model")[place], rtol=1e-14
    )
    assert blocks["leading_part"].sel(quantity="energy") == "feed_forward"
    # only the feed-forward part pushes, so what attention adds to the difference follows from it
    assert 0.5 < blocks["leading_share"].sel(quantity="energy") < 1
    for against in ("idealised blocks", "closed form"):
        other = found["energy"].sel(run=against)
        difference = (found["energy"].sel(run="model") - other) - (found["energy"].sel(run="model") - other)[
            0
        ]
        np.testing.assert_allclose(found["excess"].sel(against=against).sum("part"), difference, atol=1e-12)


def test_closed_form_on_the_models_clock(pushed):
    found = divergence(pushed, BETA)
    whole = trajectory(pushed.points[::2] * pushed.norms[::2, :, None] / np.sqrt(WIDTH))
    time = effective_time(whole, BETA)
    start = mean_over_pairs(pushed.points[0], float)
    cosine = theory.gamma(time, n=TOKENS, beta=BETA, start=start)
    curve = found.sel(run="closed form")
    np.testing.assert_allclose(curve["time"], time, rtol=1e-12)
    np.testing.assert_allclose(curve["mean_cosine"], cosine, rtol=1e-10)
    np.testing.assert_allclose(curve["energy"], np.exp(BETA * (cosine - 1)), rtol=1e-10)
    masked = trajectory(states(np.zeros(WIDTH)), causal=True)
    causal = divergence(masked, BETA)
    assert causal["mean_cosine"].sel(run="closed form").isnull().all()
    assert causal["parting_depth"].sel(against="closed form").isnull().all()


def test_learned_dynamics_beside_the_model(pushed):
    """The model without its feed-forward parts is here the idealised run itself."""
    learned = trajectory(states(np.zeros(WIDTH)))
    found = divergence(pushed, BETA, learned=learned)
    assert list(found["against"].values) == ["idealised blocks", "learned dynamics", "closed form"]
    blocks, own = (found["energy"].sel(run=run) for run in ("idealised blocks", "learned dynamics"))
    np.testing.assert_allclose(own, blocks, rtol=1e-12)


def test_a_difference_that_heals_is_no_parting(pushed):
    """The last depth decides: a model that comes back to the theory never parted."""
    vectors = pushed.points * pushed.norms[..., None]
    ideal = states(np.zeros(WIDTH))
    healed = np.concatenate([vectors[:-2], ideal[-2:] * np.sqrt(WIDTH)])
    found = divergence(trajectory(healed / np.sqrt(WIDTH)), BETA, tolerance=0.02)
    assert np.isnan(found["parting_depth"].sel(against="idealised blocks", quantity="energy"))


def test_what_does_not_fit_is_refused(pushed):
    with pytest.raises(ValueError, match="above 0"):
        divergence(pushed, 0.0)
    with pytest.raises(ValueError, match="same run"):
        divergence(pushed, BETA, parts=decomposition(pushed, BETA + 1))
    with pytest.raises(ValueError, match="learned must have"):
        divergence(pushed, BETA, learned=trajectory(states(np.zeros(WIDTH))[:5]))
    with pytest.raises(ValueError, match="axis"):
        divergence(sim.Trajectory(pushed.points, pushed.depth), BETA)
