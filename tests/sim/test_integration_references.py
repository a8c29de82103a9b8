"""Trajectories against printed digits and SciPy, and the order in which the error falls."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sim
from tests.helpers.four_tokens import KEY, PAIRS, QUERY, START, VALUE, circle, tight

REFERENCES = [
    (
        {"beta": 2.0},
        1.0,
        "-.3606284631549642 .9654794243471559 -.5932554570013424"
        " -.5393480368833151 -.1411327136636926 -.6087701974222986",
    ),
    (
        {"beta": 2.0},
        5.0,
        "-.3376553040908563 .9999695687793682 -.5474846407796353"
        " -.3449023944633116 .6299109466276483 -.5519346679080838",
    ),
    (
        {"beta": 2.0, "kind": "USA", "clock": "survey"},
        1.0,
        "-.3788786064753223 .9997529281159827 -.6005819605091074"
        " -.3964030117771236 -.02942917779400869 -.6037508346281343",
    ),
    (
        {"beta": 2.0, "kind": "USA"},
        1.0,
        "-.3340643089975334 .9172526200673221 -.5877797947318298"
        " -.5940621734941356 -.182895209233991 -.5960026826692777",
    ),
    (
        {"beta": 2.0, "causal": True},
        1.0,
        "-.216911644567989 .9309167283466197 -.5603766145832196"
        " -.4653059286611133 -.206818265413664 -.6172236241108666",
    ),
    (
        {"beta": 1.0, "query": QUERY, "key": KEY, "value": VALUE},
        1.0,
        ".1746405875488974 .8727687623861468 -.2221577005187561"
        " -.2013949592143499 -.5869601049681393 -.2582931267539749",
    ),
]


@pytest.mark.parametrize(("arguments", "time", "expected"), REFERENCES)
def test_printed_inner_products(arguments, time, expected):
    before = (
        "-.2875295666647372 .8344313644094391 -.5758026239907426"
        " -.641984207266125 -.1968459224403388 -.5804204155484009"
    )
    run = tight(sim.Attention(**arguments), START, [0, time])
    np.testing.assert_allclose((START @ START.T)[PAIRS], np.array(before.split(), float), atol=1e-15)
    # Printed to 15 or 16 digits, from another integrator at 1e-12.
    np.testing.assert_allclose(
        (run.points[-1] @ run.points[-1].T)[PAIRS], np.array(expected.split(), float), atol=2e-12
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("SA", [[0.0486790307825738832, 0.583687377852318293, 1.89844806715494009],
                [0.229671496115486208, 0.246202731194745577, 1.89773827260898516]]),
        ("USA", [[0.0211415027108038009, 0.665039465305475634, 1.89958704526477705],
                 [0.195780072468309405, 0.374364707508866417, 1.89900275756592686]]),
    ],
)  # fmt: skip
def test_three_weighted_clusters(kind, expected):
    masses = np.array([0.5, 0.3, 0.1, 0.1])
    run = tight(sim.Attention(10.0, kind), circle(0, 0.7, 1.9, 1.9), [0, 1, 5], masses)
    angles = np.arctan2(run.points[..., 1], run.points[..., 0])
    np.testing.assert_allclose(angles[1:, :3], expected, rtol=1e-10)
    if kind == "USA":
        np.testing.assert_allclose(angles @ masses, 0.59, rtol=1e-12)


def test_five_tokens_on_a_circle_stay_two_clusters_for_three_hundred_units():
    angles = np.array([0.06219714, 0.21432297, 1.81912262, 2.91107101, 3.18793696])

    def differences(angles):
        turns = angles[None] - angles[:, None]
        return turns, np.exp(4 * (np.cos(turns) - 1))

    def drift(t, angles):
        turns, weights = differences(angles)
        return np.sum(weights * np.sin(turns), axis=1) / np.sum(weights, axis=1)

    levels = np.array([0.6, 0.9, 0.999])
    events = [lambda t, angles, level=level: differences(angles)[1].mean() - level for level in levels]
    other = solve_ivp(drift, (0, 330), angles, "DOP853", events=events, rtol=1e-12, atol=1e-14)
    crossings = np.concatenate(other.t_events)
    # Read off a printed table with steps of about 0.01.
    np.testing.assert_allclose(crossings, [324.36, 326.26, 328.7], atol=0.011)
    run = tight(sim.Attention(4.0), circle(*angles), [0, 7, 100, *crossings])
    energies = np.asarray(sim.energy(run.points, 4.0))
    # The angles are known to 8 decimals.
    np.testing.assert_allclose(energies[0], 0.35971213818590825, atol=1e-9)
    np.testing.assert_allclose(energies[1:3], 0.5203, atol=2e-4)
    np.testing.assert_allclose(energies[3:], levels, rtol=1e-10)


def plain(t, flat, n, beta, query, key, value):
    x = flat.reshape(n, -1)
    pull = np.zeros_like(x)
    for q, k, v in zip(query, key, value):
        weights = np.exp(beta * (x @ q.T) @ (x @ k.T).T)
        pull += weights / weights.sum(axis=1, keepdims=True) @ x @ v.T
    return (pull - np.sum(pull * x, axis=1, keepdims=True) * x).ravel()


def test_two_learned_heads_agree_with_scipy():
    random = np.random.default_rng(3)
    query, key, value = random.standard_normal((3, 2, 4, 4))
    run = tight(sim.Attention(1.5, query=query, key=key, value=value), START, [0, 1, 2])
    other = solve_ivp(
        plain,
        (0, 2),
        START.ravel(),
        "DOP853",
        [1, 2],
        args=(4, 1.5, query, key, value),
        rtol=1e-12,
        atol=1e-14,
    )
    # Chaotic stretches magnify 1e-12; a wrong head would show at 1e-1.
    np.testing.assert_allclose(run.points[1:].reshape(2, -1), other.y.T, atol=1e-9)


def test_error_falls_with_the_eighth_power_of_the_work():
    """A pair of orders 8 and 7 controls h^8 in each step, so that both h^8 and the error go as rtol.

    The field turns for ever, so that the 37 to 289 steps of a run are alike, and errors of 3e-4 to 3e-11 are above
    round-off. Measured: -7.9; Dormand-Prince and Tsitouras pairs of order 5 give -5.0 and -5.1.
    """
    turn = np.random.default_rng(1).standard_normal((4, 4))
    field = sim.Attention(4.0, value=turn - turn.T)
    exact = tight(field, START, [0, 40]).points[-1]
    work, errors = [], []
    for rtol in 10.0 ** -np.arange(4, 12):
        run = sim.simulate(field, START, [0, 40], rtol=rtol, atol=rtol / 1000)
        work.append(run.provenance["evaluations"])
        errors.append(np.max(np.abs(run.points[-1] - exact)))
    slope = np.polyfit(np.log(work), np.log(errors), 1)[0]
    assert -8.6 < slope < -7.4
