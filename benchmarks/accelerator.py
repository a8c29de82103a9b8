"""What an accelerator gains: the field and a sweep there, each checked against this machine's own CPU.

    python -m benchmarks.accelerator [--quick] [--out FILE]

Under 8 minutes. Without an accelerator the CPU stands on both sides, which tests the script and says nothing else.
Everything is run in float64 and in float32 and held against the CPU in float64. *Rate* is 4 n^2 d operations over the
time of a call, as a share of the measured rate of a matrix product of 4,096 by 4,096 in the same precision on the same
device. *Deviation* is the largest difference to the CPU, of the field over its largest value. The sweep is that of
`benchmarks.sweep`: 1,000 cells, compiling apart, its mean cosines held against the CPU's.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sim
from sim.kernel import product
from sim.sweeps.engines import on_cores, on_devices
from sim.sweeps.plan import Plan, planned
from sim.sweeps.store import Store, in_memory
from sim.sweeps.sweep import cores

REPEATS = 5
SIZES = ((2_048, 64), (8_192, 128), (16_384, 128), (65_536, 3))
ON_CORE, ON_DEVICE = 16, 4096
# float32 rounds logits of 9 and sums of thousands of terms; its sweep allows 1e-5 a step, for some dozens of steps.
CLOSE = {"float64": {"field": 1e-10, "sweep": 1e-6}, "float32": {"field": 1e-4, "sweep": 1e-3}}
TOLERANCES: dict[str, Any] = {
    "float64": {"rtol": 1e-8, "atol": 1e-11},
    "float32": {"rtol": 1e-5, "atol": 1e-6},
}

Engine = Callable[[Store], Iterator[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,048 tokens and 50 cells")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks/accelerator.json"))
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    rates = {dtype: rate_of_product(dtype, device) for dtype in CLOSE}
    found: dict[str, Any] = {"device": device.device_kind, "product_rates": rates}
    print(
        device.device_kind,
        *(f"{rate / 1e9:.0f} Gflop/s of products in {name}" for name, rate in rates.items()),
        sep=", ",
    )
    print("| n | d | dtype | ms | CPU, ms | rate (target 0.4 in float64) | deviation |\n" + "|---" * 7 + "|")
    sizes = SIZES[: 1 if arguments.quick else None]
    found["field"] = [row for n, d in sizes for row in field(n, d, rates, device, cpu)]
    found["sweep"] = sweep(5 if arguments.quick else 10, 2 if arguments.quick else 20)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1))
    for what in ("field", "sweep"):
        for row in found[what]:
            assert row["deviation"] <= CLOSE[row["dtype"]][what], f"this {what} differs from the CPU's: {row}"


def rate_of_product(dtype: str, device: Any) -> float:
    """Operations a second of a matrix product in full precision."""
    square = jax.device_put(jnp.ones((4096, 4096), dtype), device)
    return 2 * 4096**3 / seconds(jax.jit(product), square, square)


def field(n: int, d: int, rates: Mapping[str, float], device: Any, cpu: Any) -> Iterator[dict[str, Any]]:
    """One call of the compiled field at beta = 9 on uniform tokens, here in each precision and there in float64."""
    points = sim.uniform(n, d, seed=0)
    there, exact = timed(points, "float64", cpu)
    for dtype, rate in rates.items():
        here, found = timed(points, dtype, device)
        row = {
            "n": n,
            "d": d,
            "dtype": dtype,
            "ms": round(1e3 * here, 2),
            "cpu_ms": round(1e3 * there, 1),
            "rate": round(4 * n**2 * d / here / rate, 3),
            "deviation": float(f"{np.abs(found - exact).max() / np.abs(exact).max():.1g}"),
        }
        print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
        yield row


def timed(points: np.ndarray, dtype: str, place: Any) -> tuple[float, np.ndarray]:
    """Seconds of a call of the field at a place, and what it finds."""
    with jax.default_device(place):
        attention = sim.Attention(9.0, dtype=dtype)
        call = jax.jit(lambda x: attention(0.0, x))
        x = jax.device_put(jnp.asarray(points, dtype), place)
        return seconds(call, x), np.asarray(call(x), np.float64)


def sweep(betas: int, seeds: int) -> list[dict[str, Any]]:
    """The cells of `benchmarks.sweep` on all devices, in each precision, and on all cores, without compiling."""
    axes = {"beta": np.linspace(0.5, 12.0, betas), "d": [2, 4, 8, 16, 64], "n": 64, "seeds": seeds}

    def plan(dtype: str) -> Plan:
        observe = ["collapse_time", "mean_cosine"]
        return planned(axes, np.linspace(0.0, 30.0, 31), observe, **TOLERANCES[dtype], dtype=dtype)

    of_cores = plan("float64").chunk_shape(ON_CORE)
    there, exact = solved(
        plan("float64"), lambda store: on_cores(store, cores()), of_cores, jax.devices("cpu")[0]
    )
    rows = []
    for dtype in TOLERANCES:
        of_devices = plan(dtype).chunk_shape(ON_DEVICE, len(jax.devices()))
        here, table = solved(plan(dtype), on_devices, of_devices, None)
        row = {
            "cells": plan(dtype).cells,
            "dtype": dtype,
            "devices_s": round(here, 2),
            "cores_s": round(there, 2),
            "ratio": round(there / here, 2),
            "deviation": float(f"{np.abs(table - exact).max():.1g}"),
        }
        print("sweep: " + ", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        rows.append(row)
    return rows


def solved(plan: Plan, engine: Engine, chunk: tuple[int, ...], place: Any) -> tuple[float, np.ndarray]:
    """Seconds of a sweep at a place, the second time, and its mean cosines."""
    jax.config.update("jax_default_device", place)
    taken, store = 0.0, in_memory(plan, chunk)
    for _ in range(2):
        begun, store = time.perf_counter(), in_memory(plan, chunk)
        for _ in engine(store):
            pass
        taken = time.perf_counter() - begun
    jax.config.update("jax_default_device", None)
    return taken, store.table()["mean_cosine"].values


def seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """The median time of a call on the clock, after one that compiles."""
    each = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        each.append(time.perf_counter() - begun)
    return median(each[1:])


if __name__ == "__main__":
    main()
