"""Cost of a sweep of small runs, beside a loop over SciPy and one vmapped adaptive solve.

    python -m benchmarks.sweep             1,000 cells, three repetitions: minutes
    python -m benchmarks.sweep --quick     50 cells

10 beta from 0.5 to 12, d = 2, 4, 8, 16, 64, 20 seeds; 64 tokens, t to 30, SA, tolerance 1e-8 a step. Ratios are medians
over repetitions, in each of which every rival runs the same cells, one after the other. "one core" is processor time
on one thread, which other work on the machine hardly lengthens; "all cores" is time on the clock. Prints a table and
writes out/benchmarks/sweep.json.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.lines import FOLDER, Line, keep, line
from sim.attention import Attention
from sim.sphere import uniform
from sim.sweeps.plan import Plan, planned
from sim.sweeps.solve import solve_one
from sim.sweeps.sweep import cores, run

TOKENS, UNTIL, RTOL, ATOL = 64, 30.0, 1e-8, 1e-11
DIMENSIONS = (2, 4, 8, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER / "sweep.json")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    betas, seeds, repetitions = (5, 2, 3) if chosen.quick else (10, 20, 3)
    rows = [measured(d, np.linspace(0.5, 12.0, betas), seeds, repetitions) for d in DIMENSIONS]
    rows.append(summed(rows))
    report = {
        "cells": betas * seeds * len(DIMENSIONS),
        "cores": cores(),
        "load": os.getloadavg()[0],
        "rows": rows,
    }
    show(report)
    keep(chosen.out, told(report), **report)


def told(report: dict[str, Any]) -> list[Line]:
    """The lines with targets: all cells together, and the dimension that gains least."""
    *each, whole = report["rows"]

    def ratio(row: dict[str, Any], rival: str, own: str) -> float:
        return float(np.median(np.divide(row["seconds"][rival], row["seconds"][own])))

    one, every = "sweep, one core", "sweep, all cores"
    least = min(each, key=lambda row: ratio(row, "SciPy, one core", one))
    what, seconds = (
        f"sweep of {report['cells']:,} cells",
        {name: float(np.median(values)) for name, values in whole["seconds"].items()},
    )
    return [
        line(
            f"{what}, one core",
            f"{seconds[one]:.1f} s",
            ratio(whole, "SciPy, one core", one),
            rival=f"a loop over SciPy DOP853, {seconds['SciPy, one core']:.1f} s",
            least=1.5,
        ),
        line(
            f"the same, d = {least['d']} alone, where it gains least",
            f"{np.median(least['seconds'][one]):.1f} s",
            ratio(least, "SciPy, one core", one),
            rival="SciPy",
            least=1.5,
        ),
        line(
            f"{what}, {report['cores']} cores",
            f"{seconds[every]:.1f} s on the clock",
            ratio(whole, "SciPy, clock", every),
            rival=f"SciPy on one core, {seconds['SciPy, clock']:.1f} s",
            least=2.8,
        ),
        line(
            f"{what}, one core", f"{seconds[one]:.1f} s", ratio(whole, "vmap", one), rival="vmap", least=1.7
        ),
        line(
            f"{what}, compiling",
            f"{whole['compilations']} programs",
            whole["compiling"],
            most=12,
        ),
    ]


def measured(d: int, betas: np.ndarray, seeds: int, repetitions: int) -> dict[str, Any]:
    """One shape class: seconds of each way to run its cells, in every repetition."""
    plan = planned(
        {"beta": betas, "d": d, "n": TOKENS, "seeds": seeds}, [0.0, UNTIL], "mean_cosine", rtol=RTOL
    )
    before = cast(Any, solve_one)._cache_size()
    first = timed(lambda: run(plan, workers=1), time.process_time)
    ways: dict[str, tuple[Callable[[], Any], Callable[[], float]]] = {
        "sweep, one core": (lambda: run(plan, workers=1), time.process_time),
        "SciPy, one core": (lambda: scipy_loop(plan), time.process_time),
        "sweep, all cores": (lambda: run(plan), time.perf_counter),
        "SciPy, clock": (lambda: scipy_loop(plan), time.perf_counter),
        "vmap": (vmapped(plan), time.process_time),
    }
    ways["vmap"][0]()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, (work, clock) in ways.items():
            seconds[name].append(timed(work, clock))
    return {
        "d": d,
        "compilations": cast(Any, solve_one)._cache_size() - before,
        "compiling": max(first - float(np.median(seconds["sweep, one core"])), 0.0),
        "seconds": seconds,
    }


def timed(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return clock() - begun


def scipy_loop(plan: Plan) -> None:
    """The same cells by SciPy's DOP853 and a right-hand side in NumPy."""
    for index in np.ndindex(plan.sizes):
        cell = plan.cell(index)

        def velocity(t: float, flat: np.ndarray, beta: float = cell.beta, d: int = cell.d) -> np.ndarray:
            del t
            x = flat.reshape(-1, d)
            weights = np.exp(beta * (x @ x.T - 1))
            pull = (weights @ x) / weights.sum(axis=1, keepdims=True)
            return (pull - np.sum(pull * x, axis=1, keepdims=True) * x).ravel()

        start = uniform(cell.n, cell.d, cell.seed).ravel()
        solve_ivp(velocity, (0.0, UNTIL), start, "DOP853", rtol=RTOL, atol=ATOL)


def vmapped(plan: Plan) -> Callable[[], Any]:
    """The same cells by one adaptive diffrax solve, vmapped over all of them."""
    cells = [plan.cell(index) for index in np.ndindex(plan.sizes)]
    betas = jnp.asarray([cell.beta for cell in cells])
    starts = jnp.asarray(np.stack([uniform(cell.n, cell.d, cell.seed) for cell in cells]))

    @jax.jit
    @jax.vmap
    def solve(beta, start):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(Attention(beta)),
            diffrax.Dopri8(),
            0.0,
            UNTIL,
            None,
            start,
            stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL),
            max_steps=100_000,
            adjoint=diffrax.ForwardMode(),
            throw=False,
        ).ys

    return lambda: jax.block_until_ready(solve(betas, starts))


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All shape classes together, repetition by repetition."""
    names = rows[0]["seconds"]
    return {
        "d": "all",
        "compilations": sum(row["compilations"] for row in rows),
        "compiling": sum(row["compiling"] for row in rows),
        "seconds": {name: np.sum([row["seconds"][name] for row in rows], axis=0).tolist() for name in names},
    }


def show(report: dict[str, Any]) -> None:
    """Print seconds, and how many times faster the sweep is than each rival."""
    print(f"{report['cells']} cells, {report['cores']} cores, load {report['load']:.1f}")
    titles = (
        "d",
        "sweep",
        "SciPy",
        "ratio",
        "cores",
        "clock",
        "ratio",
        "vmap",
        "ratio",
        "compiling",
        "programs",
    )
    print(" ".join(f"{title:>9}" for title in titles))
    for row in report["rows"]:
        seconds = {name: np.asarray(values) for name, values in row["seconds"].items()}
        one, every = seconds["sweep, one core"], seconds["sweep, all cores"]
        numbers = [
            np.median(one),
            np.median(seconds["SciPy, one core"]),
            np.median(seconds["SciPy, one core"] / one),
            np.median(every),
            np.median(seconds["SciPy, clock"]),
            np.median(seconds["SciPy, clock"] / every),
            np.median(seconds["vmap"]),
            np.median(seconds["vmap"] / one),
            row["compiling"],
        ]
        print(
            f"{row['d']!s:>9} "
            + " ".join(f"{number:9.3g}" for number in numbers)
            + f" {row['compilations']:9d}"
        )


if __name__ == "__main__":
    main()
