"""Trajectories against closed forms: two clusters, orthogonal tokens, consensus, a constant pull."""

import numpy as np
import pytest

import sim
from tests.helpers.four_tokens import PAIRS, START, angle, circle, tight


def meeting(field, first, time, share=0.5):
    """The angle after some time between two clusters of two equal tokens each, in order 0, 1, 0, 1."""
    masses = np.tile([share / 2, (1 - share) / 2], 2)
    run = tight(field, circle(0, first)[[0, 1, 0, 1]], [0, time], masses)
    np.testing.assert_array_equal(run.points[:, :2], run.points[:, 2:])
    return angle(*run.points[-1, :2])


# beta, first angle, last angle; then the times of USA and of SA for m_1 = 1/2, 1/4, 1/10, from exponential integrals.
MEETINGS = [
    (4, np.pi / 2, 0.01, 19.362223215852126722, 12.330266124509109307, 9.647739012427431835, 6.943397527297038711),
    (1, 2, 0.001, 10.046581953083459124, 9.0452535267045629374, 8.7236763584955442484, 8.3293034579959787977),
    (20, 1, 0.001, 774.48545069554196021, 390.74088531290455641, 237.40578552512111871, 91.356860575184077545),
    (9, np.pi / 2, 1e-3, 933.42631488580766212, 470.51360863100820314, 285.53335297985280897, 109.35582084787303309),
    (100, 0.5, 1e-3, 9868.7984825979410981, 4937.517116604849761, 2965.1741495111438045, 1088.8408325963580119),
]  # fmt: skip


@pytest.mark.parametrize(("beta", "first", "last", "usa", "half", "quarter", "tenth"), MEETINGS)
def test_two_clusters_meet_on_time(beta, first, last, usa, half, quarter, tenth):
    weight = np.exp(beta * (np.cos(last) - 1))
    for kind, share, time in (
        ("USA", 0.3, usa),
        ("SA", 0.5, half),
        ("SA", 0.25, quarter),
        ("SA", 0.1, tenth),
    ):
        rest, speed = 1 - share, np.sin(last) * weight
        if kind == "SA":
            speed *= rest / (share + rest * weight) + share / (rest + share * weight)
        # Off by 1.6e-12 of the time at most, where steps are controlled to 1e-12.
        assert abs(meeting(sim.Attention(beta, kind), first, time, share) - last) < 1e-11 * time * speed


def test_usa_from_one_radian_to_a_quarter():
    assert meeting(sim.Attention(5.0, "USA"), 1.0, 4.15963372466647266) == pytest.approx(0.25, rel=1e-11)


def test_causal_pair_meets_on_time():
    # Light tokens 2 and 3, which the pair in front does not see.
    run = tight(sim.Attention(4.0, causal=True), circle(0, 2, 1, 3), [0, 89.0081176357809762])
    np.testing.assert_allclose(angle(*run.points[-1, :2]), 0.01, rtol=1e-10)
    np.testing.assert_array_equal(run.points[-1, 0], circle(0)[0])


def test_clusters_of_three_and_two_tokens_meet_as_two_weighted_ones():
    run = tight(sim.Attention(5.0), circle(0, 1)[[0, 1, 0, 1, 0]], [0, 2.73055861651682943])
    last = run.points[-1]
    np.testing.assert_allclose(angle(last[0], last[1]), 0.25, rtol=1e-11)
    np.testing.assert_array_equal(last[[2, 4]], last[[0, 0]])
    np.testing.assert_array_equal(last[3], last[1])


SLOW = pytest.mark.slow
GAMMA_TIMES = [
    (2, 1, "SA", 4.2710676803093352117),
    (2, 4, "SA", 10.831207009994950589),
    (8, 4, "SA", 8.3654496195282092754),
    (32, 4, "SA", 6.9535018488080687381),
    (32, 9, "SA", 178.73092951903912871),
    pytest.param(128, 4, "SA", 6.5695498927784073211, marks=SLOW),
    pytest.param(128, 9, "SA", 82.593357501980948376, marks=SLOW),
    (2, 1, "USA", 1.7444601011281470017),
    (8, 4, "USA", 0.64968267062164871522),
    (32, 4, "USA", 1.1307703412964511965),
    pytest.param(128, 9, "USA", 1.2125342031847884082, marks=SLOW),
]


@pytest.mark.parametrize(("n", "beta", "kind", "time"), GAMMA_TIMES)
def test_orthogonal_tokens_reach_the_closed_form_time(n, beta, kind, time):
    size = max(n, 32)  # n clusters of equally many tokens move as n tokens
    start = np.eye(size)[np.arange(size) % n]
    run = tight(sim.Attention(beta, kind, clock="survey"), start, [0, time])
    last = run.points[-1, :n]
    cosines = (last @ last.T)[np.triu_indices(n, 1)]
    speed = 2e-3 * (1 if kind == "SA" else np.exp(beta))
    assert np.max(np.abs(cosines - (1 - 1e-3))) < 1e-10 * time * speed


@pytest.mark.parametrize(
    ("kind", "beta", "time", "expected"),
    [
        ("SA", 1, 3, 0.981415675651560735),
        ("SA", 4, 3, 0.152260398688941285),
        ("USA", 1, 0.5, 0.360793109911217784),
        ("USA", 4, 0.3, 0.301959026550881998),
        ("SA", 0, 1, 0.614979458970125147),
    ],
)
def test_four_orthogonal_tokens(kind, beta, time, expected):
    run = tight(sim.Attention(beta, kind, clock="survey"), np.eye(4), [0, time])
    cosines = (run.points[-1] @ run.points[-1].T)[PAIRS]
    np.testing.assert_allclose(cosines, expected, rtol=1e-11)


def test_consensus_of_two_is_a_hyperbolic_tangent():
    times = np.array([0, 0.5, 2.0])
    run = tight(sim.Attention(0.0), circle(0, np.arccos(-0.3))[[0, 1, 0, 1]], times)
    cosines = np.einsum("tc,tc->t", run.points[:, 0], run.points[:, 1])
    np.testing.assert_allclose(cosines, np.tanh(times + np.arctanh(-0.3)), rtol=1e-11)


def test_constant_pull_moves_along_the_closed_form():
    towards, size, time = np.array([0.0, 0.6, 0.0, 0.8]), 1.3, 0.7
    field = sim.Attention(0.0, value=np.zeros((4, 4)), output_bias=size * towards)
    run = tight(field, START, [0, time])
    cosine = START @ towards
    sinh, cosh = np.sinh(size * time), np.cosh(size * time)
    expected = (START + np.outer(sinh + (cosh - 1) * cosine, towards)) / (cosh + cosine * sinh)[:, None]
    np.testing.assert_allclose(run.points[-1], expected, atol=1e-12)
