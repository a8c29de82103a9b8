"""P5: a theorem about caps, which one run refutes, and which costs no other question anything."""

import numpy as np
import pytest

from compare.judging.evidence import Claim, Evidence, balance, decide, other_intervals
from tests.helpers.judged_runs import around, group, judged, measured, random, trajectory


def in_caps(leave, seed, until=1e14):
    """Three orthogonal caps of height 0.004 that tighten; at depth 6 one token leaves its cap, or none."""
    members = np.repeat(np.arange(3), 3)
    spread = 0.05 * random(6, seed).standard_normal((9, 3))
    times = np.concatenate([[0.0], np.geomspace(0.1, until, 60)])
    points = np.eye(3)[members] + np.exp(-np.minimum(times, 300))[:, None, None] * spread
    if leave:
        points[6, 0] = [1, 1, 0]
    return trajectory(points, times, "time", kind="SA", beta=40.0, causal=False, label=str(seed))


def test_one_token_that_leaves_its_cap_refutes_the_theorem():
    held = judged({"held": [(run, measured(run)) for run in (in_caps(False, seed) for seed in range(7))]})
    assert held.row("P5", "held").verdict == "CONFIRMED"
    early = [(run, measured(run)) for run in (in_caps(False, seed, until=1.0) for seed in range(7))]
    assert "no record inside" in judged({"early": early}).row("P5", "early").why.lower()
    runs = [in_caps(seed == 3, seed) for seed in range(7)]
    row = judged({"left": [(run, measured(run)) for run in runs]}).row("P5", "left")
    assert row.verdict == "REFUTED"
    assert "and 3 is not below 0" in row.why


def caps_alone(leave):
    """Seven runs of which nothing but P5 can be asked: without dynamics, and with too few tokens for clusters."""
    runs = [in_caps(leave and seed == 3, seed) for seed in range(7)]
    return [(run, measured(run, gate=np.nan)) for run in runs]


@pytest.mark.parametrize("leave", [False, True])
def test_a_theorem_stays_out_of_the_correction(leave):
    others = {name: group(late=around(0.4, 0.2), gain=around(0.35, 0.2)) for name in ("one", "two")}
    alone = judged(others)
    among = judged(others | {f"caps {place}": caps_alone(leave) for place in range(3)})
    asked = {row.hypothesis for row in among.rows if row.group == "caps 0" and np.isfinite(row.p)}
    assert asked == {"P5"}
    for row in alone.rows:
        np.testing.assert_equal(among.row(row.hypothesis, row.group).q, row.q)
    theorem = among.row("P5", "caps 0")
    assert theorem.q == min(1, 2 * theorem.p)
    assert theorem.verdict == ("REFUTED" if leave else "CONFIRMED")


def universal(values, is_universal=True):
    claim = Claim("log of the share used", "nat", np.array(values), high=0.0)
    return Evidence((claim,), tuple(map(str, range(len(values)))), universal=is_universal)


def test_no_kind_of_interval_outvotes_one_broken_run():
    """Of 12 runs one is 0.01 beyond the bound: mean and count lie below it, and a theorem is refuted."""
    broken = [*around(-2, 0.5, size=11), 0.01]
    assert other_intervals(universal(broken, False), 0) == ("CONFIRMED", "CONFIRMED")
    assert other_intervals(universal(broken), 0) == ("REFUTED", "REFUTED")
    assert decide(balance(universal(broken, False)), 0.025) == "CONFIRMED"
    assert decide(balance(universal(broken)), 0.025) == "REFUTED"


def test_no_kind_of_interval_refutes_what_no_run_breaks():
    """Every run on its side of the bound, by so little and so unevenly that no mean is clear of it."""
    whole = around(-1, size=11)
    assert other_intervals(universal(whole), 0) == ("CONFIRMED", "CONFIRMED")
    near = [-1e-9, -1e-9, -1e-9, -1e-9, -50.0]
    assert other_intervals(universal(near), 0) == ("UNDECIDED", "UNDECIDED")
    assert decide(balance(universal(near)), 0.025) == "UNDECIDED"


def test_the_verdict_on_a_broken_theorem_holds_for_every_kind_of_interval():
    row = judged({"left": caps_alone(True)}).row("P5", "left")
    kinds = [one["agreement"] for one in row.robustness if one["threshold"] == "kind of interval"]
    assert kinds == [1.0]
