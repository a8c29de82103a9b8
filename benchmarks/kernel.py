"""Cost of one call of the field, beside torch's attention on the same tokens and beside what the machine can do.

    python -m benchmarks.kernel [--quick] [--threads N] [--out FILE]

The field is compiled, as in a solver: called from Python, checks and dispatch add a fraction of a millisecond.
Both sides run in float64 on N threads (1 unless asked): the process is bound to N cores before JAX counts them. Calls
take turns, and each figure is the median of 5. Times are the processor's, in ns a pair of tokens, which other work on
the machine lengthens less than the clock's; "wall" is the ratio by the clock. "floor" is 4 d operations at the rate of
a matrix product of 512 by 512 and one exponential, both measured in JAX in the same run. The states: *uniform*, and
*8 caps* of radius 1e-9 at beta = 40, where products of the tokens keep no digit of the pull of one cap on another.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

import sim
from benchmarks.lines import FOLDER, keep, line

REPEATS = 5
LEAST_PAIRS = 1_000_000
TARGET, GOAL = 3.0, 1.5
SIZES, DIMENSIONS = (256, 1024, 4096, 16384), (3, 16, 64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 1,024 tokens; seconds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FOLDER / "kernel.json")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    torch.set_num_threads(arguments.threads)
    jax.config.update("jax_enable_x64", True)
    found: dict[str, Any] = {"threads": arguments.threads, "device": jax.devices()[0].device_kind, **rates()}
    print("  ".join(f"{name} {value}" for name, value in found.items()))
    print("| state | n | d | field | torch | ratio | wall | floor | to floor | load |\n" + "|---" * 10 + "|")
    found["rows"] = []
    for state in ("uniform", "8 caps"):
        for n in SIZES[: 2 if arguments.quick else None]:
            for d in DIMENSIONS:
                row = measured(state, n, d, found)
                found["rows"].append(row)
                print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
    uniform = [row for row in found["rows"] if row["state"] == "uniform"]
    worst = max(row["ratio"] for row in uniform)
    wide = max(row["ratio"] for row in uniform if row["d"] >= 64)
    caps = max(row["ratio"] for row in found["rows"] if row["state"] != "uniform")
    sizes = f"n to {max(row['n'] for row in uniform):,}, d to {max(DIMENSIONS)}"
    rival = "torch SDPA float64, the same threads"
    lines = [
        line(f"field, uniform tokens, {sizes}", "largest ratio", worst, rival=rival, most=TARGET),
        line("the same from d = 64 on", "largest ratio", wide, rival=rival, most=GOAL),
        line(f"field, 8 tight caps, {sizes}", "largest ratio", caps, rival=rival),
    ]
    keep(arguments.out, lines, **found)


def rates() -> dict[str, float]:
    """What the machine does in this process: products, exponentials, copies of memory."""
    square = jnp.asarray(np.random.default_rng(0).uniform(-1, 0, (512, 512)))
    long = jnp.zeros(2**24)
    product, exponential, copy = jax.jit(jnp.matmul), jax.jit(jnp.exp), jax.jit(lambda a: a + 1)
    taken = in_turn(
        {
            "product": lambda: product(square, square).block_until_ready(),
            "exp": lambda: exponential(square).block_until_ready(),
            "copy": lambda: copy(long).block_until_ready(),
        },
        calls=10,
    )
    # Floating-point operations a ns, ns a number, bytes read and written a ns.
    return {
        "product_gflops": round(2 * 512**3 / taken["product"][0] / 1e9, 1),
        "exp_ns": round(taken["exp"][0] / square.size * 1e9, 2),
        "bandwidth_gbs": round(16 * long.size / taken["copy"][0] / 1e9, 1),
    }


def measured(state: str, n: int, d: int, machine: dict[str, float]) -> dict[str, Any]:
    """One row of the table."""
    beta = 9.0 if state == "uniform" else 40.0
    points = np.asarray(sim.uniform(n, d, seed=0))
    if state == "8 caps":
        spread = 1e-9 * np.random.default_rng(0).standard_normal((n, d))
        points = np.asarray(sim.uniform(8, d, seed=0))[np.arange(n) % 8] + spread
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    x, tokens = jnp.asarray(points), torch.tensor(points)[None, None]
    velocity = jax.jit(lambda beta, x: sim.Attention(beta).velocity(x))
    attend = torch.nn.functional.scaled_dot_product_attention
    taken = in_turn(
        {
            "field": lambda: velocity(beta, x).block_until_ready(),
            "torch": lambda: attend(tokens, tokens, tokens, scale=beta),
        },
        calls=1 + LEAST_PAIRS // n**2,
    )
    (own, own_wall), (rival, rival_wall) = taken["field"], taken["torch"]
    floor = 4 * d / machine["product_gflops"] + machine["exp_ns"]
    return {
        "state": state,
        "n": n,
        "d": d,
        "field_ns": round(own / n**2 * 1e9, 2),
        "torch_ns": round(rival / n**2 * 1e9, 2),
        "ratio": round(own / rival, 2),
        "wall": round(own_wall / rival_wall, 2),
        "floor_ns": round(floor, 2),
        "to_floor": round(own / n**2 * 1e9 / floor, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def in_turn(programs: dict[str, Callable[[], Any]], calls: int) -> dict[str, tuple[float, float]]:
    """Seconds of a call of each, on the processor and on the clock: medians over turns of `calls` calls."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for program in programs.values():
        program()
    for _ in range(REPEATS):
        for name, program in programs.items():
            processor, clock = time.process_time(), time.perf_counter()
            for _ in range(calls):
                program()
            taken[name].append(
                ((time.process_time() - processor) / calls, (time.perf_counter() - clock) / calls)
            )
    return {name: (median(p for p, _ in turns), median(c for _, c in turns)) for name, turns in taken.items()}


if __name__ == "__main__":
    main()
