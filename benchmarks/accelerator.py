"""What an accelerator gains: the field and a sweep there, each checked against this machine's own CPU.

    python -m benchmarks.accelerator [--quick] [--out FILE]

Under 8 minutes. Without an accelerator the CPU stands on both sides, which tests the script and says nothing else.
float64 throughout. *Rate* is 4 n^2 d operations over the time of a call, as a share of the measured rate of a matrix
product of 4,096 by 4,096 on the same device. *Deviation* is the largest difference to the CPU over the largest value.
The sweep is that of `benchmarks.sweep`: 1,000 cells, compiling apart, its times of collapse held against the CPU's.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import sim
from sim.sweeps.engines import on_cores, on_devices
from sim.sweeps.plan import Plan, planned
from sim.sweeps.store import Store, in_memory
from sim.sweeps.sweep import cores

REPEATS = 5
SIZES = ((2_048, 64), (8_192, 128), (16_384, 128), (65_536, 3))
ON_CORE, ON_DEVICE = 16, 4096
EXACT, CLOSE = 1e-10, 1e-6

Engine = Callable[[Store], Iterator[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2,048 tokens and 50 cells")
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks/accelerator.json"))
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    square = jax.device_put(jnp.ones((4096, 4096)), device)
    rate = 2 * 4096**3 / seconds(jax.jit(jnp.matmul), square, square)
    found: dict[str, Any] = {"device": device.device_kind, "product_gflops": round(rate / 1e9)}
    print("  ".join(f"{name} {value}" for name, value in found.items()))
    print("| n | d | ms | CPU, ms | rate (target 0.4) | deviation |\n" + "|---" * 6 + "|")
    found["field"] = [field(n, d, rate, device, cpu) for n, d in SIZES[: 1 if arguments.quick else None]]
    found["sweep"] = sweep(5 if arguments.quick else 10, 2 if arguments.quick else 20)
    print("sweep: " + ", ".join(f"{name} {value}" for name, value in found["sweep"].items()))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1))
    assert all(row["deviation"] <= EXACT for row in found["field"]), "the field differs from the CPU's"
    assert found["sweep"]["deviation"] <= CLOSE, "the sweep differs from the CPU's"


def field(n: int, d: int, rate: float, device: Any, cpu: Any) -> dict[str, Any]:
    """One call of the compiled field at beta = 9 on uniform tokens, here and there."""
    points = sim.uniform(n, d, seed=0)
    taken, values = {}, {}
    for name, place in (("here", device), ("cpu", cpu)):
        with jax.default_device(place):
            attention = sim.Attention(9.0)
            call = jax.jit(lambda x, attention=attention: attention(0.0, x))
            x = jax.device_put(jnp.asarray(points), place)
            taken[name], values[name] = seconds(call, x), np.asarray(call(x))
    row = {
        "n": n,
        "d": d,
        "ms": round(1e3 * taken["here"], 2),
        "cpu_ms": round(1e3 * taken["cpu"], 1),
        "rate": round(4 * n**2 * d / taken["here"] / rate, 3),
        "deviation": float(
            f"{np.abs(values['here'] - values['cpu']).max() / np.abs(values['cpu']).max():.1g}"
        ),
    }
    print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
    return row


def sweep(betas: int, seeds: int) -> dict[str, Any]:
    """The cells of `benchmarks.sweep` on all devices and on all cores, each a second time to leave compiling out."""
    axes = {"beta": np.linspace(0.5, 12.0, betas), "d": [2, 4, 8, 16, 64], "n": 64, "seeds": seeds}
    plan = planned(axes, np.linspace(0.0, 30.0, 31), ["collapse_time", "mean_cosine"], rtol=1e-8)
    taken, tables = {}, {}
    ways: dict[str, tuple[Engine, tuple[int, ...], Any]] = {
        "devices": (on_devices, plan.chunk_shape(ON_DEVICE, len(jax.devices())), None),
        "cores": (lambda store: on_cores(store, cores()), plan.chunk_shape(ON_CORE), jax.devices("cpu")[0]),
    }
    for name, (engine, chunk, place) in ways.items():
        jax.config.update("jax_default_device", place)
        for _ in range(2):
            taken[name], tables[name] = solved(plan, engine, chunk)
    jax.config.update("jax_default_device", None)
    here, there = (tables[name]["mean_cosine"].values for name in ("devices", "cores"))
    return {
        "cells": plan.cells,
        "devices_s": round(taken["devices"], 2),
        "cores_s": round(taken["cores"], 2),
        "ratio": round(taken["cores"] / taken["devices"], 2),
        "deviation": float(f"{np.abs(here - there).max():.1g}"),
    }


def solved(plan: Plan, engine: Engine, chunk: tuple[int, ...]) -> tuple[float, xr.Dataset]:
    store = in_memory(plan, chunk)
    begun = time.perf_counter()
    for _ in engine(store):
        pass
    return time.perf_counter() - begun, store.table()


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
