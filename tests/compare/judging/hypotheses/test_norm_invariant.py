"""P12: where norms come before attention, lengths pay for the loss of spread."""

from dataclasses import replace

import numpy as np
import pytest

import sim
from tests.helpers.judged_runs import DEPTHS, TOKENS, judged, measured, random, trajectory


@pytest.mark.parametrize(("grows", "verdict"), [(True, "CONFIRMED"), (False, "REFUTED")])
def test_lengths_that_pay_for_the_loss_of_spread(grows, verdict):
    runs = []
    for seed in range(7):
        directions = 0.05 * random(11, seed).standard_normal((TOKENS, 3))
        lengths = 1 + np.arange(DEPTHS)
        points = np.array([0, 0, 1.0]) + directions / lengths[:, None, None]
        norms = np.tile(lengths[:, None] if grows else np.ones((DEPTHS, 1)), (1, TOKENS))
        run = trajectory(points, norms=norms, scheme="pre", model="net", beta=1.0, label=str(seed))
        runs.append((run, measured(run)))
    assert judged({"runs": runs}).row("P12", "runs").verdict == verdict


@pytest.fixture(scope="module")
def simulated():
    """Four orthogonal tokens under Pre-LN, whose cosines stay equal, from several lengths and at several beta."""
    return [
        sim.simulate(
            sim.Attention(beta, norm="pre"),
            np.eye(4),
            np.linspace(0, 6, 7),
            radii=np.full(4, 1 + beta / 4),
            rtol=1e-11,
            provenance={"label": f"beta {beta:g}"},
        )
        for beta in np.linspace(0.5, 2, 7)
    ]


def on_lengths(runs):
    return judged({"runs": [(run, measured(run)) for run in runs]}).row("P12", "runs")


def test_a_simulation_of_pre_ln_conserves_its_invariant(simulated):
    row = on_lengths(simulated)
    assert row.verdict == "CONFIRMED"
    assert row.runs == 7
    # the quantity is exact for equal cosines; steps are controlled to 1e-11, of some hundred
    assert np.max(row.values) < 1e-8


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_other_lengths_on_the_same_directions_conserve_nothing(simulated, power):
    """Lengths that stay, that grow half as fast and twice as fast as they should, in logarithms."""
    row = on_lengths([replace(run, norms=run.norms**power) for run in simulated])
    assert row.verdict == "REFUTED"
    assert row.runs == 7


def test_a_simulation_of_post_ln_has_no_such_invariant(simulated):
    facts = [{**run.provenance, "norm": "post"} for run in simulated]
    row = on_lengths([replace(run, provenance=own) for run, own in zip(simulated, facts)])
    assert row.verdict == "NOT APPLICABLE"
