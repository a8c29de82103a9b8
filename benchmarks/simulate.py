"""Cost of one simulation, beside SciPy at the same tolerance and a fixed-step loop as the authors of the theory use.

    python -m benchmarks.simulate

64 tokens on S^2, SA, beta = 9, t to 100 at rtol 1e-9. Processor time of one thread, medians of 5, compiling apart. The
loop is projected Euler in NumPy with dt = 0.1: its error against ours stands beside its time.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import numpy as np
from scipy.integrate import solve_ivp

import sim
from benchmarks.lines import FOLDER, keep, line

TOKENS, BETA, UNTIL, RTOL, ATOL, STEP, REPEATS = 64, 9.0, 100.0, 1e-9, 1e-12, 0.1, 5


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    jax.config.update("jax_enable_x64", True)
    start = sim.uniform(TOKENS, 3, seed=0)
    compiling, _ = cost(lambda: ours(start))
    taken = {name: [] for name in ("ours", "SciPy", "Euler")}
    found: dict[str, Any] = {}
    for _ in range(REPEATS):
        for name, way in (("ours", ours), ("SciPy", scipy_loop), ("Euler", euler)):
            seconds, found[name] = cost(lambda way=way: way(start))
            taken[name].append(seconds)
    times = {name: median(each) for name, each in taken.items()}
    error = {name: float(np.abs(found[name] - found["ours"]).max()) for name in ("SciPy", "Euler")}
    lines = [
        line(
            "simulate, 64 tokens, d = 3, beta 9, t to 100",
            f"{1e3 * times['ours']:.0f} ms",
            times["SciPy"] / times["ours"],
            rival=f"SciPy DOP853 {1e3 * times['SciPy']:.0f} ms, states {error['SciPy']:.0e} apart",
        ),
        line(
            "the same",
            f"{1e3 * times['ours']:.0f} ms",
            times["Euler"] / times["ours"],
            rival=f"Euler, dt 0.1: {1e3 * times['Euler']:.0f} ms, error {error['Euler']:.0e}",
        ),
        line("simulate, first call of a shape", f"{compiling:.1f} s", compiling),
    ]
    keep(FOLDER / "simulate.json", lines, seconds=times, error=error)


def ours(start: np.ndarray) -> np.ndarray:
    return sim.simulate(sim.Attention(BETA), start, [0.0, UNTIL], rtol=RTOL, atol=ATOL).points[-1]


def velocity(x: np.ndarray) -> np.ndarray:
    weights = np.exp(BETA * (x @ x.T - 1))
    pulled = weights @ x / weights.sum(axis=1, keepdims=True)
    return pulled - np.sum(pulled * x, axis=1, keepdims=True) * x


def scipy_loop(start: np.ndarray) -> np.ndarray:
    def flow(t: float, y: np.ndarray) -> np.ndarray:
        del t
        return velocity(y.reshape(start.shape)).ravel()

    return (
        solve_ivp(flow, (0, UNTIL), start.ravel(), "DOP853", rtol=RTOL, atol=ATOL)
        .y[:, -1]
        .reshape(start.shape)
    )


def euler(start: np.ndarray) -> np.ndarray:
    x = start
    for _ in range(int(UNTIL / STEP)):
        x = x + STEP * velocity(x)
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x


def cost(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = call()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main()
