"""One group of runs whose truth is known, made by its generator, measured and judged."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from compare.calibration.generator import Shape, group
from compare.calibration.registry import GENERATORS
from compare.judging.judge import judge
from compare.judging.verdicts import Verdict
from compare.metrics.calibrated.preset import calibrated
from compare.metrics.calibrated.thresholds import BASE
from compare.metrics.threads import one_thread
from sim.trajectory import Trajectory

GROUP = "group"
JUDGE_SEED = 0
Record = dict[str, Any]


def tried(task: tuple[str, int, Shape], draws: int, seed: int) -> tuple[str, int, Record]:
    """One group of a generator, made and judged: its generator's name, its number, and what the judge says."""
    name, number, shape = task
    return name, number, judged(group(GENERATORS[name], seed, number, shape), draws)


def judged(runs: Sequence[Trajectory], draws: int) -> Record:
    """What the judge says of one group: its verdicts, effects and p by hypothesis, beside what is true of its runs.

    Thresholds of the measurement are not varied, which is most of its cost and has no part in a verdict.

    Runs whose provenance has another ``part`` than "group" are judged beside it, as its controls.
    ``plateau``, ``descent`` and ``clustered`` are means over the runs of what their provenance says of the points
    before rounding.
    """
    parts: dict[str, list[Trajectory]] = {}
    for run in runs:
        parts.setdefault(run.provenance.get("part", GROUP), []).append(run)
    with one_thread():
        measured = {
            name: [calibrated(run, draws, JUDGE_SEED, {"base": BASE}) for run in each]
            for name, each in parts.items()
        }
    verdicts = judge(parts, seed=JUDGE_SEED, draws=draws, measured=measured)
    facts = [run.provenance for run in runs]
    depths, tokens, dimension = runs[0].points.shape
    return {
        "depths": depths,
        "tokens": tokens,
        "dimension": dimension,
        "beta": [facts[0]["beta"], facts[-1]["beta"]],
        "plateau": float(np.mean([fact["oracle_plateau"] for fact in facts])),
        "descent": _mean([fact["oracle_descent"] for fact in facts]),
        "clustered": float(np.mean([fact["oracle_clustered"] for fact in facts])),
        "verdicts": {row.hypothesis: _as_record(row) for row in verdicts.rows if row.group == GROUP},
    }


def _as_record(row: Verdict) -> Record:
    """A row of the judge as JSON values, None where a number is not finite."""
    low, high = row.ci
    return {
        "verdict": row.verdict,
        "effect": _finite(row.effect),
        "ci": [_finite(low), _finite(high)],
        "p": _finite(row.p),
        "why": row.why,
    }


def _mean(values: Sequence[float]) -> float | None:
    """The mean of the finite ones."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return float(value) if np.isfinite(value) else None
