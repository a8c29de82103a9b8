"""Cost of the coalescing solver, beside what a time stepper with a fixed step would need for the same mergers.

    python -m benchmarks.coalesce            minutes
    python -m benchmarks.coalesce --quick    without 1,024 and 10,000 points

"first" has the compilation in it, "then" has not, and "cpu" is the processor time of that second run, which other work
on the machine lengthens less; "load" is the load average when it ended. The last column is (time to the last merger /
dt) steps of projected Euler in NumPy, dt = 0.1 as in the scripts published with 2410.06833, times the cost of one step
measured here, as log10 of years.
"""

import os
import sys
import time
from typing import Any

import jax
import numpy as np

import sim
from benchmarks.lines import FOLDER, keep, line

YEAR = 365.25 * 86400
STEP = 0.1
Case = tuple[str, np.ndarray, float, str]
TOLD = ("256 points, S^2", "1000 x 8 points, S^2", "1024 points, S^2", "10000 points, S^2")
FIRST = ("256 points, S^2", 1e3, "SA")


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    columns = f"{'case':28} {'kind':4} {'beta':>7} {'first s':>8} {'then s':>8} {'cpu s':>8}"
    print(f"{columns} {'evals':>9} {'load':>5} {'euler, years':>13}")
    lines = []
    for name, x, beta, kind in cases("--quick" not in sys.argv):
        field = sim.Attention(beta, kind)
        first, compiling, _ = timed(field, x)
        then, cpu, result = timed(field, x)
        results = result if isinstance(result, tuple) else (result,)
        evaluations = sum(one.evaluations for one in results)
        last = max(one.log_times[-1] for one in results)
        log_years = (last + np.log(euler_step(x) / STEP / YEAR)) / np.log(10)
        row = f"{name:28} {kind:4} {beta:7.0e} {first:8.2f} {then:8.4f} {cpu:8.4f} {evaluations:9d}"
        print(f"{row} {os.getloadavg()[0]:5.1f} {f'10^{log_years:.0f}':>13}", flush=True)
        if name in TOLD and kind == "SA":
            what = f"coalesce, {name}, beta {beta:.0e}"
            rival = f"projected Euler, 10^{log_years:.0f} years"
            lines.append(line(what, f"{cpu:.2f} s", cpu, rival=rival))
        if (name, beta, kind) == FIRST:
            what = f"coalesce, {name}, beta {beta:.0e}, first call"
            lines.append(line(what, f"{compiling:.1f} s of processor time", compiling, most=10))
    keep(FOLDER / "coalesce.json", lines)


def timed(field: sim.Attention, x: np.ndarray) -> tuple[float, float, Any]:
    """Seconds of one run on the clock and on the processor, and what it found."""
    start, begun = time.perf_counter(), time.process_time()
    result = sim.coalesce(field, x)
    return time.perf_counter() - start, time.process_time() - begun, result


def cases(large: bool) -> list[Case]:
    """What is run: a name, points, beta, kind."""
    angles = np.array([0.0, 0.9, 2.2, 3.9, 5.1])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    both = ("SA", "USA")
    # The first call in the process of the one with a target, so that it finds nothing compiled.
    chosen = [("256 points, S^2", sim.uniform(256, 3, 1), beta, kind) for kind in both for beta in (1e3, 1e5)]
    chosen += [("5 points, circle", circle, 10.0**k, kind) for kind in both for k in range(-1, 7)]
    chosen += [("64 points, S^2", sim.uniform(64, 3, 1), 1e3, kind) for kind in both]
    batch = np.stack([sim.uniform(8, 3, seed) for seed in range(1000)])
    chosen += [("1000 x 8 points, S^2", batch, beta, "SA") for beta in (1e2, 1e4)]
    if large:
        many = sim.uniform(1024, 3, 1)
        chosen += [("1024 points, S^2", many, beta, kind) for kind in both for beta in (1e5, 1e4, 1e3)]
        chosen += [("10000 points, S^2", sim.uniform(10_000, 3, 1), 1e6, "SA")]
    return chosen


def euler_step(x: np.ndarray) -> float:
    """Seconds for one projected Euler step of one start, the shortest of three; beyond 2000 points, scaled."""
    x = x[0] if x.ndim == 3 else x
    scale = max(1.0, len(x) / 2000) ** 2
    x = x[:2000]
    cost = []
    for _ in range(3):
        start = time.perf_counter()
        weights = np.exp(x @ x.T - 1)
        moved = x + STEP * (weights / weights.sum(axis=1, keepdims=True)) @ x
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        cost.append(time.perf_counter() - start)
    return scale * min(cost)


if __name__ == "__main__":
    main()
