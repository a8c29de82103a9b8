"""Runs for tests of the report: simulations, and a model whose name and tokens are markup."""

import numpy as np
import pytest

import compare
import sim
from sim.sphere import normalise

NASTY = '<script>alert("x")</script>'


def simulations():
    times = np.concatenate([[0.0], np.geomspace(0.01, 100, 11)])
    for seed in range(6):
        facts = {"label": f"SA, seed {seed}", "group": "SA, beta 9", "seed": seed, "published": seed == 0}
        yield sim.simulate(
            sim.Attention(9.0), sim.uniform(34, 3, seed), times, attention=True, provenance=facts
        )


def model_runs():
    """Clouds that drift, under a name that is markup; one of them in the raw frame."""
    for seed in range(7):
        random = np.random.default_rng(seed)
        steps = random.standard_normal((8, 34, 12)).cumsum(axis=0)
        frame = "raw" if seed == 6 else "layernorm"
        yield sim.Trajectory(
            normalise(steps),
            np.arange(8),
            axis="layer",
            tokens=[NASTY, *map(str, range(33))],
            attention=np.full((8, 2, 34, 34), 1 / 34) if frame == "raw" else None,
            provenance={
                "label": f"{NASTY}, text {seed}, {frame}",
                "group": NASTY,
                "model": NASTY,
                "init": "trained",
                "control": None,
                "frame": frame,
                "scheme": "post",
                "causal": False,
                "prompt": f"text {seed}",
                "prompt_class": NASTY,
            },
        )


def report_of_all(directory, draws):
    """The page on all of these runs, which are measured in this process."""
    for place, run in enumerate([*simulations(), *model_runs()]):
        run.save(directory / "runs" / f"{place:02}.nc")
    with pytest.MonkeyPatch.context() as here:
        here.setattr("compare.workers.MOST_PROCESSES", 1)
        return compare.report(directory, draws=draws)
