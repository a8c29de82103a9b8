"""P10: Renyi centres under a causal mask, on the points that every other statistic uses."""

from dataclasses import replace

import numpy as np
import pytest

import compare
from sim import Trajectory
from sim.sphere import normalise
from tests.helpers.judged_runs import RUNS, judged, measured, random, trajectory


def with_centres(protected, seed, causal=True):
    """Tokens that move by 0.5, those far from every earlier one by a hundredth of that, if protected."""
    start = random(8, seed).standard_normal((60, 3))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    delta = 2 / np.sqrt(16)
    apart = np.linalg.norm(start[:, None] - start, axis=2) > delta
    centre = np.array([apart[place, :place].all() for place in range(60)])
    across = np.cross(start, random(9, seed).standard_normal((60, 3)))
    size = np.where(centre & protected, 0.005, 0.5) * np.exp(random(10, seed).normal(0, 0.2, 60))
    step = across / np.linalg.norm(across, axis=1, keepdims=True) * size[:, None]
    run = trajectory(np.stack([start, start + step]), causal=causal, beta=16.0, label=str(seed))
    return run, measured(run)


@pytest.mark.parametrize(("protected", "verdict"), [(True, "CONFIRMED"), (False, "REFUTED")])
def test_renyi_centres(protected, verdict):
    runs = [with_centres(protected, seed) for seed in range(RUNS)]
    assert judged({"runs": runs}).row("P10", "runs").verdict == verdict
    free = judged({"runs": [with_centres(True, seed, causal=False) for seed in range(RUNS)]})
    assert free.row("P10", "runs").verdict == "NOT APPLICABLE"


def test_without_interaction_there_is_no_centre():
    """At beta = 0 delta is infinite; nothing is divided by it."""
    runs = [with_centres(True, seed)[0] for seed in range(RUNS)]
    free = [replace(run, provenance={**run.provenance, "beta": 0.0}) for run in runs]
    row = judged({"runs": [(run, measured(run)) for run in free]}).row("P10", "runs")
    assert row.verdict == "NOT APPLICABLE"
    assert "beta = 0" in row.why


def as_in_a_model(run, seed):
    """The same points in 40 neurons, with one more that outgrows all others, and special tokens beside the real ones.

    The special tokens start where real ones start, so that each would keep a real one from being a centre.
    """
    axes = np.linalg.qr(random(13, seed).standard_normal((40, 3)))[0]
    real = run.points @ axes.T
    special = np.tile(real[:1, ::6], (2, 1, 1))
    points = np.concatenate([special, real], axis=1)
    rogue = np.full((*points.shape[:2], 1), 5.0)
    count = special.shape[1]
    return Trajectory(
        normalise(np.concatenate([points, rogue], axis=2)),
        run.depth,
        axis="layer",
        special=np.arange(points.shape[1]) < count,
        provenance={"model": "net", "causal": True, "beta": 16.0, "label": str(seed)},
    )


def test_rogue_coordinates_and_special_tokens_are_left_out():
    """The numbers are those of the same runs without them, not merely the verdict."""
    plain = [with_centres(True, seed) for seed in range(RUNS)]
    runs = [as_in_a_model(run, seed) for seed, (run, _) in enumerate(plain)]
    laden = [(run, compare.measure(run, draws=2)) for run in runs]
    row = judged({"runs": laden}).row("P10", "runs")
    assert (
        row.treatment
        == "540 of 630 tokens kept over 9 runs; left out: 90 special tokens, 1 rogue coordinate of each"
    )
    assert row.verdict == "CONFIRMED"
    # points are divided by lengths near 5.1 and again by 0.2: some 1e-15, and the shortest step is 1e-3
    np.testing.assert_allclose(row.values, judged({"runs": plain}).row("P10", "runs").values, rtol=1e-9)
