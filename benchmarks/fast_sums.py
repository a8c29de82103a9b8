"""Cost and error of fast sums over all pairs of tokens, beside the compiled field, which takes pair by pair.

    python -m benchmarks.fast_sums [--quick] [--out FILE]

One thread, processor time, medians of 5. *Field* is `sim.Attention` at the largest n up to 16,384, scaled by n^2.
*Error* is the largest deviation of a pull of USA from the sum term by term, over 64 tokens, of sums that are at most 1.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

import sim
from benchmarks.lines import FOLDER, keep, line
from sim.fast_sums import direct_sums, sums

REPEATS = 5
MOST_DIRECT = 16_384
BETAS = {2: (9.0, 100.0, 1e4), 3: (9.0, 100.0, 1e3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 1e5 tokens; seconds")
    parser.add_argument("--out", type=Path, default=FOLDER / "fast_sums.json")
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    rows = []
    print("| d | beta | n | fast (ms) | field (ms) | field / fast | error |\n" + "|---" * 7 + "|")
    for d, betas in BETAS.items():
        for beta in betas:
            for n in (10_000, 100_000, 1_000_000)[: 2 if arguments.quick else None]:
                rows.append(measured(d, beta, n))
                print("| " + " | ".join(map(str, rows[-1].values())) + " |", flush=True)
    lines = [
        line(
            f"fast sums, d = {row['d']}, beta {row['beta']:g}, n = {row['n']:,}",
            f"{row['fast']:g} ms, error {row['error']:g}",
            row["ratio"],
            rival=f"the field, {row['field'] / 1e3:,.1f} s",
        )
        for row in rows
        if row["n"] == max(other["n"] for other in rows)
    ]
    keep(arguments.out, lines, rows=rows)


def measured(d: int, beta: float, n: int) -> dict[str, Any]:
    points, masses = sim.uniform(n, d, seed=0), np.full(n, 1 / n)
    fast = sums(d, beta)
    some = points[:: n // 64][:64]
    error = np.abs(fast(points, masses).pull[:: n // 64][:64] - direct_sums(beta, some, points, masses).pull)
    few = min(n, MOST_DIRECT)
    attention = sim.Attention(beta, "USA")
    field = jax.jit(lambda x: attention(0.0, x))
    taken = cost(lambda: fast(points, masses))
    direct = cost(lambda: field(points[:few]).block_until_ready()) * (n / few) ** 2
    return {
        "d": d,
        "beta": beta,
        "n": n,
        "fast": round(1e3 * taken, 2),
        "field": round(1e3 * direct, 1),
        "ratio": round(direct / taken, 1),
        "error": float(f"{error.max():.1g}"),
    }


def cost(call: Callable[[], object]) -> float:
    """Seconds of processor time a call, after one that compiles."""
    call()
    each = []
    for _ in range(REPEATS):
        begun = time.process_time()
        call()
        each.append(time.process_time() - begun)
    return median(each)


if __name__ == "__main__":
    main()
