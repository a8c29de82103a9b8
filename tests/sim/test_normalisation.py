"""Each place of the norm against its discrete layer, SciPy, the closed equiangular system, and its rates."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import compare.theory
import sim

BETA, TAU, N = 2.0, 1.3, 4
PAIRS = np.triu_indices(N, 1)


def step_of_ngpt(t):
    return 0.5 + 0.1 * t


SCHEMES: dict[str, dict[str, Any]] = {
    "post": {},
    "pre": {},
    "peri": {},
    "mix": {"tau": TAU},
    "ngpt": {"alpha": step_of_ngpt},
    "sqrt": {},
}
GROWING = ("pre", "peri", "mix")
RANDOM = np.random.default_rng(5)
LEARNED = {
    "query": RANDOM.standard_normal((2, 3, N)),
    "key": RANDOM.standard_normal((2, 3, N)),
    "value": RANDOM.standard_normal((2, 2, N)),
    "output": RANDOM.standard_normal((2, N, 2)),
    "query_bias": RANDOM.standard_normal((2, 3)),
    "key_bias": RANDOM.standard_normal((2, 3)),
    "value_bias": RANDOM.standard_normal((2, 2)),
    "output_bias": RANDOM.standard_normal(N),
}
RADII = np.array([0.7, 2.0, 5.0, 1.1])


def make_field(scheme, **operators):
    return sim.Attention(BETA, norm=scheme, **SCHEMES[scheme], **operators)


def tight(field, x0, times, **options):
    return sim.simulate(field, x0, times, rtol=1e-12, atol=1e-14, **options)


def equiangular(n, rho):
    """n unit rows with mutual inner product rho, in n dimensions."""
    return np.linalg.cholesky(np.full((n, n), rho) + (1 - rho) * np.eye(n))


def gaps(points):
    """1 - <x_i, x_j> of all pairs, by chords, which keep their digits where points nearly meet."""
    chords = points[..., PAIRS[0], :] - points[..., PAIRS[1], :]
    return np.sum(chords**2, axis=-1) / 2


def written(x, query, key, value, output, query_bias, key_bias, value_bias, output_bias):
    """A_i of learned heads, by a plain loop."""
    total = np.broadcast_to(output_bias, x.shape).copy()
    for h in range(len(query)):
        logits = BETA * (x @ query[h].T + query_bias[h]) @ (x @ key[h].T + key_bias[h]).T
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        total += weights @ (x @ value[h].T + value_bias[h]) @ output[h].T
    return total


def normed(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def layer(scheme, x, h, t):
    """One discrete layer of size h of the paper, as the networks write it."""
    wrote = written(normed(x), **LEARNED)
    if scheme == "pre" or (scheme == "mix" and t > TAU):
        return x + h * wrote
    if scheme == "peri":
        return x + h * normed(wrote)
    if scheme == "ngpt":
        return normed(x + h * step_of_ngpt(t) * (normed(wrote) - x))
    return normed(x + h * wrote / (np.sqrt(t) if scheme == "sqrt" else 1))


@pytest.fixture(scope="module")
def start():
    return normed(np.random.default_rng(3).standard_normal((N, N)))


def test_attend_is_the_formula(start):
    np.testing.assert_allclose(
        make_field("post", **LEARNED).attend(start), written(start, **LEARNED), rtol=1e-12, atol=1e-13
    )
    weights = np.asarray(sim.Attention(BETA).weights(start))[0]
    np.testing.assert_allclose(sim.Attention(BETA).attend(start), weights @ start, rtol=1e-13)
    biased = sim.Attention(BETA, value_bias=LEARNED["output_bias"])
    np.testing.assert_allclose(biased.attend(start), weights @ (start + LEARNED["output_bias"]), rtol=1e-13)


@pytest.mark.parametrize(("scheme", "t"), [*((s, 2.5) for s in SCHEMES), ("mix", 1.0)])
def test_speeds_are_those_of_a_small_layer(start, scheme, t):
    """Central differences of size 1e-5: errors of order 1e-10 from the cubic term, 1e-11 from rounding."""
    grows = scheme == "pre" or scheme == "peri" or (scheme == "mix" and t > TAU)
    radii = RADII if grows else np.ones(N)
    x, h = radii[:, None] * start, 1e-5
    ahead, behind = (layer(scheme, x, sign * h, t) for sign in (1, -1))
    field = make_field(scheme, **LEARNED)
    lengths = (np.linalg.norm(ahead, axis=1) - np.linalg.norm(behind, axis=1)) / (2 * h)
    # The third derivative of a direction goes as (|A| / r)^3, here 300.
    turning = (normed(ahead) - normed(behind)) / (2 * h)
    np.testing.assert_allclose(field.velocity(start, t=t, radii=radii), turning, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(field.growth(start, t=t, radii=radii), lengths, rtol=1e-7, atol=1e-7)
    whole = (ahead - behind) / (2 * h)
    np.testing.assert_allclose(field(t, x), whole, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_learned_heads_agree_with_scipy(start, scheme):
    """Tokens x_i = r_i theta_i in one array, without the package's split into direction and length."""

    def drift(t, flat):
        x = flat.reshape(N, N)
        theta, r = normed(x), np.linalg.norm(x, axis=1, keepdims=True)
        wrote = written(theta, **LEARNED)
        length = np.linalg.norm(wrote, axis=1, keepdims=True)
        tangent = wrote - np.sum(theta * wrote, axis=1, keepdims=True) * theta
        speed = {
            "post": tangent,
            "pre": wrote,
            "peri": wrote / length,
            "mix": r * tangent if t <= TAU else wrote,
            "ngpt": step_of_ngpt(t) * tangent / length,
            "sqrt": tangent / np.sqrt(t),
        }
        return speed[scheme].ravel()

    radii = RADII if scheme in GROWING else None
    times = [1.0, TAU, 2.0]
    run = tight(make_field(scheme, **LEARNED), start, times, radii=radii)
    state = (start if radii is None else RADII[:, None] * start).ravel()
    # Two pieces, so that the switch of mix falls between them.
    for first, last, place in ((1.0, TAU, 1), (np.nextafter(TAU, 2), 2.0, 2)):
        ended = solve_ivp(drift, (first, last), state, "DOP853", rtol=1e-12, atol=1e-13)
        state = ended.y[:, -1]
        x = state.reshape(N, N)
        # Both to 1e-12 a step; learned heads stretch errors tenfold or more in this time.
        np.testing.assert_allclose(run.points[place], normed(x), rtol=0, atol=1e-9)
        if radii is not None:
            np.testing.assert_allclose(run.norms[place], np.linalg.norm(x, axis=1), rtol=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equiangular_tokens_follow_the_closed_system(scheme):
    """rho' = (2/s) b (1 - rho)(1 + (n-1) rho) and r', integrated by SciPy: two numbers for all tokens."""
    rho, radius = 0.1, 1.7 if scheme in GROWING else 1.0

    def drift(t, state):
        rho, r = state
        other = np.exp(BETA * rho) / (np.exp(BETA) + (N - 1) * np.exp(BETA * rho))
        own = 1 - (N - 1) * other
        along = own + (1 - own) * rho
        length = np.sqrt(own**2 + 2 * own * (1 - own) * rho + (N - 1) * other**2 * (1 + (N - 2) * rho))
        slowness, growth = {
            "post": (1, 0),
            "pre": (r, along),
            "peri": (r * length, along / length),
            "mix": (1, 0) if t <= TAU else (r, along),
            "ngpt": (length / step_of_ngpt(t), 0),
            "sqrt": (np.sqrt(t), 0),
        }[scheme]
        return 2 / slowness * other * (1 - rho) * (1 + (N - 1) * rho), growth

    radii = np.full(N, radius) if scheme in GROWING else None
    run = tight(make_field(scheme), equiangular(N, rho), [1.0, TAU, 3.0, 6.0], radii=radii)
    early = solve_ivp(drift, (1, TAU), [rho, radius], "DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    late = solve_ivp(drift, (np.nextafter(TAU, 2), 6), early, "DOP853", [3.0, 6.0], rtol=1e-13, atol=1e-15).y
    expected = np.concatenate([early[:, None], late], axis=1)
    # Steps to 1e-12 and 1e-13 on either side; asked for: 1e-8.
    np.testing.assert_allclose(1 - gaps(run.points[1:]), np.repeat(expected[0][:, None], 6, 1), atol=1e-10)
    if scheme in GROWING:
        np.testing.assert_allclose(run.norms[1:], np.repeat(expected[1][:, None], N, 1), rtol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_initial_speeds_of_orthogonal_tokens(scheme):
    """The paper's table: rho'(0) at rho = 0, for the post norm and for those slower by r, |A| / alpha, sqrt(t)."""
    t, radius = 2.0, 3.0
    norm = np.exp(BETA) + N - 1
    normed_too = np.sqrt(np.exp(2 * BETA) + N - 1)
    expected = {
        "post": 2 / norm,
        "pre": 2 / (radius * norm),
        "peri": 2 / (radius * normed_too),
        "mix": 2 / (radius * norm),  # after its switch
        "ngpt": 2 * step_of_ngpt(t) / normed_too,
        "sqrt": 2 / (np.sqrt(t) * norm),
    }[scheme]
    x = np.eye(N)
    turning = np.asarray(make_field(scheme).velocity(x, t=t, radii=np.full(N, radius)))
    speeds = turning @ x.T + x @ turning.T
    np.testing.assert_allclose(speeds[PAIRS], expected, rtol=1e-14)


def test_tails():
    """1 - rho falls as e^(-2t), t^(-2), e^(-2 int alpha), e^(-4 sqrt t), so that its logarithm has a known slope."""
    x = equiangular(N, 0.1)

    def logs(scheme, times):
        return np.log(gaps(tight(make_field(scheme), x, times).points[1:]).mean(axis=-1))

    # The rate is 2 up to terms of order 1 - rho, below 1e-5 at the first of these times.
    np.testing.assert_allclose(np.diff(logs("post", [1, 8, 10])), -4, rtol=1e-5)
    np.testing.assert_allclose(
        np.diff(logs("ngpt", [1, 9, 11])), -2 * (0.5 * 2 + 0.05 * (121 - 81)), rtol=1e-5
    )
    np.testing.assert_allclose(np.diff(logs("sqrt", [1, 20, 30])), -4 * (30**0.5 - 20**0.5), rtol=1e-5)
    # r = t + constant, so that the slope is 2 up to terms of order 1/t.
    for scheme in GROWING:
        np.testing.assert_allclose(np.diff(logs(scheme, [1, 1e5, 1e6])) / np.log(10), -2, rtol=1e-4)


@pytest.mark.parametrize("scheme", ["pre", "peri"])
def test_growing_lengths_conserve_the_invariant(scheme):
    rho, radius = 0.1, 1.7
    invariant = compare.theory.norm_invariant(rho, N, BETA, radius)
    run = tight(make_field(scheme), equiangular(N, rho), [0, 1, 10, 1e4], radii=np.full(N, radius))
    there = 1 - gaps(run.points).mean(axis=1)
    # At the last time 1 - rho is 1e-7, which loses digits in rho but not in the product below.
    kept = compare.theory.norm_invariant(there[:3], N, BETA, run.norms[:3, 0])
    np.testing.assert_allclose(kept, invariant, rtol=1e-9)
    # The exponential of the invariant is 1 + O(beta (1 - rho)) there.
    np.testing.assert_allclose(gaps(run.points[-1]).mean() * run.norms[-1, 0] ** 2, invariant, rtol=1e-6)


def test_printed_invariant_of_256_tokens():
    """(1 - rho) r^2 tends to 8.3391 for n = 256, beta = 5, r = 1 from orthogonal tokens: printed to 5 digits."""
    run = sim.simulate(sim.Attention(5.0, norm="pre"), np.eye(256), [0, 300], rtol=1e-4, atol=1e-7)
    gap = np.sum((run.points[-1, 0] - run.points[-1, 1]) ** 2) / 2
    np.testing.assert_allclose(gap * run.norms[-1, 0] ** 2, 8.3391, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rotations_and_reorderings_commute(start, scheme):
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((N, N)))[0]
    order, times = [2, 0, 3, 1], [1.0, 1.5, 4.0]
    radii = RADII if scheme in GROWING else None
    field = make_field(scheme)
    run = tight(field, start, times, radii=radii)
    # Steps are controlled to 1e-12.
    turned = tight(field, start @ rotation, times, radii=radii)
    np.testing.assert_allclose(turned.points, run.points @ rotation, atol=1e-10)
    np.testing.assert_allclose(turned.norms, run.norms, rtol=1e-10)
    shuffled = tight(field, start[order], times, radii=None if radii is None else radii[order])
    np.testing.assert_allclose(shuffled.points, run.points[:, order], atol=1e-10)
    np.testing.assert_allclose(shuffled.norms, run.norms[:, order], rtol=1e-10)


def test_lengths_grow_at_least_as_the_cone_is_narrow(start):
    """Pre-LN with V = 1: <theta, A> lies between the least cosine, which never falls, and 1."""
    x = normed(np.eye(N)[0] + 0.3 * start)
    least = 1 - gaps(x).max()
    assert 0.3 < least < 0.95
    times = np.array([0, 0.5, 3, 50])
    run = tight(make_field("pre"), x, times, radii=RADII)
    grown = run.norms - RADII
    assert np.all(grown[1:] >= least * times[1:, None])
    assert np.all(grown[1:] <= times[1:, None] * (1 + 1e-12))
    assert np.all(np.diff(gaps(run.points).max(axis=1)) < 0)


def test_mix_is_post_and_then_pre(start):
    run = tight(make_field("mix"), start, [0, 1, 3])
    early = tight(make_field("post"), start, [0, 1, TAU])
    late = tight(make_field("pre"), early.points[-1], [TAU, 3])
    np.testing.assert_allclose(run.points[1], early.points[1], atol=1e-12)
    np.testing.assert_allclose(run.points[2], late.points[1], atol=1e-11)
    np.testing.assert_allclose(run.norms[:2], 1, atol=1e-11)
    np.testing.assert_allclose(run.norms[2], late.norms[1], rtol=1e-11)


def test_record_of_a_run(start):
    run = tight(make_field("pre"), start, [0, 1], radii=RADII, attention=True)
    facts = json.loads(json.dumps(run.provenance))
    assert (facts["norm"], facts["tau"], facts["alpha"], facts["drift"]) == ("pre", None, None, None)
    np.testing.assert_allclose(run.norms[0], RADII, rtol=1e-15)
    np.testing.assert_allclose(run.points[0], start, atol=1e-15)
    assert run.attention is not None
    np.testing.assert_allclose(run.attention[1], make_field("post").weights(run.points[1]), rtol=1e-12)
    assert make_field("ngpt").describe()["alpha"] == "step_of_ngpt"
    assert make_field("mix").describe()["tau"] == TAU


def test_a_repelled_length_that_reaches_zero_ends_the_run(start):
    field = sim.Attention(BETA, norm="pre", value=-np.eye(N))
    run = sim.simulate(field, start, [0, 0.5, 100], throw=False, max_steps=500)
    assert run.provenance["outcome"] != sim.Outcome.SUCCESS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "rms"}, "norm must be one of post, pre, peri, mix, ngpt, sqrt, got 'rms'"),
        ({"norm": "mix"}, "tau belongs to norm='mix' .* give it"),
        ({"norm": "ngpt"}, "alpha belongs to norm='ngpt' .* give it"),
        ({"norm": "pre", "tau": 1.0}, "tau belongs to norm='mix' .* leave it out"),
        ({"alpha": 0.1}, "alpha belongs to norm='ngpt' .* leave it out"),
        ({"norm": "mix", "tau": np.nan}, "tau must be finite"),
        ({"norm": "ngpt", "alpha": 0.0}, "alpha must be finite and above 0"),
        ({"norm": "ngpt", "alpha": np.ones(2)}, "use jax.vmap"),
    ],
)
def test_bad_schemes(arguments, message):
    with pytest.raises(ValueError, match=message):
        sim.Attention(1.0, **arguments)


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("post", {"radii": RADII}, "radii belong to norm pre, peri, mix, got some with norm='post'"),
        ("pre", {"radii": np.ones(3)}, "radii must be 4 finite numbers above 0"),
        ("pre", {"radii": np.zeros(4)}, "radii must be 4 finite numbers above 0"),
        ("sqrt", {"times": [0.5, 1]}, "runs from t = 1 on, got times from 0.5"),
    ],
)
def test_bad_starts(start, scheme, options, message):
    with pytest.raises(ValueError, match=message):
        sim.simulate(make_field(scheme), start, **({"times": [1, 2]} | options))
    with pytest.raises(ValueError, match="radii must have shape"):
        make_field("pre").velocity(start, radii=np.ones(3))
