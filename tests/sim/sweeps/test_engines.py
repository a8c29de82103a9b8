"""The same table from every engine: threads, lanes on devices, array jobs, a Dask cluster."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
import xarray as xr

import sim
from sim.sweeps.solve import solve_one
from sim.sweeps.sweep import sweep

GRID = {"beta": [0.5, 2.0, 4.0, 6.0], "d": 3, "n": 4, "seeds": 12}
TIMES = [0.0, 1.0, 4.0]
OBSERVE = ["mean_cosine", "collapse_time"]

DEVICES = """
import jax, sys
jax.config.update("jax_enable_x64", True)
from pathlib import Path
from sim.sweeps import engines
from sim.sweeps.plan import planned
from sim.sweeps.store import on_disk
grid = {"beta": [0.5, 2.0, 4.0, 6.0], "d": 3, "n": 4, "seeds": 12}
plan = planned(grid, [0.0, 1.0, 4.0], ["mean_cosine", "collapse_time"])
path = Path(sys.argv[1])
parts, most = int(sys.argv[2]), int(sys.argv[3])
store = on_disk(path, plan, plan.chunk_shape(1024, parts))
told = []
for count, _ in enumerate(engines.on_devices(store, told.append)):
    if count == most:
        break
print(len(jax.devices()), *(f"{int(o.wanted.sum())}/{int(o.made.sum())}" for o in told))
"""

PROCESSES = """
import jax, sys
jax.config.update("jax_enable_x64", True)
from sim.sweeps.sweep import sweep
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
grid = {"beta": [0.5, 2.0, 4.0, 6.0], "d": [3, 4], "n": 4, "seeds": 40}
table = sweep(grid, [0.0, 1.0, 4.0], ["mean_cosine", "collapse_time"], store=sys.argv[3] or None)
print(jax.process_count(), int(table["evaluations"].isnull().sum()))
"""


def compiled():
    """Programs for single cells that this process has compiled."""
    return cast(Any, solve_one)._cache_size()


@pytest.fixture(scope="module")
def table():
    return sweep(GRID, TIMES, OBSERVE, workers=1)


def on_devices(path, parts=8, most=10**6, devices=8):
    flags = f"--xla_force_host_platform_device_count={devices}"
    ran = subprocess.run(
        [sys.executable, "-c", DEVICES, str(path), str(parts), str(most)],
        env={**os.environ, "XLA_FLAGS": flags},
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout.split()


def test_threads_change_nothing_and_a_shape_class_is_compiled_once(table):
    before = compiled()
    assert sweep(GRID, TIMES, OBSERVE, workers=3).identical(table)
    assert compiled() == before
    beside = sweep({**GRID, "beta": [1.0, 3.0]}, TIMES, OBSERVE, rtol=1e-7)
    assert compiled() == before
    assert beside.sizes["beta"] == 2


def test_eight_devices_give_the_same_table_and_lose_little_to_lockstep(table, tmp_path):
    devices, occupancy = on_devices(tmp_path / "a.zarr")
    assert devices == "8"
    lanes = xr.open_zarr(tmp_path / "a.zarr").load()
    # Batched products sum in another order: the observations agree to the tolerance of the steps.
    for name in OBSERVE:
        np.testing.assert_allclose(lanes[name], table[name], atol=1e-6)
    wanted, made = map(int, occupancy.split("/"))
    assert 0.85 * made <= wanted <= made


@pytest.mark.slow
def test_interrupted_devices_end_bit_for_bit_as_undisturbed_ones(tmp_path):
    on_devices(tmp_path / "whole.zarr", devices=2, parts=4)
    on_devices(tmp_path / "part.zarr", devices=2, parts=4, most=0)
    assert xr.open_zarr(tmp_path / "part.zarr")["evaluations"].isnull().any()
    on_devices(tmp_path / "part.zarr", devices=2, parts=4)
    part, whole = (xr.open_zarr(tmp_path / f"{name}.zarr").load() for name in ("part", "whole"))
    assert part.identical(whole)


def test_mergers_are_those_of_coalesce():
    merged = sweep({"beta": 30.0, "d": 3, "n": [4, 5], "seed": 2}, [0.0, 1.0], "mergers").squeeze()
    alone = sim.coalesce(sim.Attention(30.0), sim.uniform(5, 3, 2))
    np.testing.assert_array_equal(merged["merger_log_time"].sel(n=5), alone.log_times)
    np.testing.assert_array_equal(merged["merger_pair"].sel(n=5), alone.pairs)
    assert np.isnan(merged["merger_log_time"].sel(n=4)[-1])
    assert "reached" not in merged


@pytest.mark.slow
def test_two_jax_processes_fill_one_store(tmp_path):
    assert in_two_processes(str(tmp_path / "a.zarr")) == ["2 0", "2 0"]
    both = xr.open_zarr(tmp_path / "a.zarr").load()
    assert both.identical(sweep({**GRID, "d": [3, 4], "seeds": 40}, TIMES, OBSERVE))


@pytest.mark.slow
def test_two_jax_processes_are_refused_in_one_line(tmp_path):
    for said in in_two_processes(""):
        assert said.startswith("ValueError: 2 JAX processes need a store")
    sweep(GRID, TIMES, OBSERVE, store=tmp_path / "a.zarr")
    for said in in_two_processes(str(tmp_path / "a.zarr")):
        assert "is the store of another grid (of other d, seed)" in said


def in_two_processes(path):
    """What each of two JAX processes says at last that make the same call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESSES, address, str(number), path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    said = [process.communicate(timeout=300) for process in started]
    return [(out or err).strip().splitlines()[-1] for out, err in said]


def test_a_scheduler_needs_a_store_and_must_answer(tmp_path):
    with pytest.raises(ValueError, match="needs a store"):
        sweep(GRID, TIMES, OBSERVE, scheduler="local")
    with pytest.raises(ValueError, match="workers must be"):
        sweep(GRID, TIMES, OBSERVE, workers=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_no_dask_scheduler_answers(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="no Dask scheduler answers") as caught:
        sweep(GRID, TIMES, OBSERVE, scheduler="tcp://127.0.0.1:9", store=tmp_path / "a.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_array_jobs(table, tmp_path):
    pytest.importorskip("submitit")
    path = tmp_path / "a.zarr"
    assert sweep(GRID, TIMES, OBSERVE, scheduler="local", workers=2, store=path).load().identical(table)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_dask_worker_is_killed_in_the_middle(tmp_path):
    distributed = pytest.importorskip("distributed")
    grid = {**GRID, "d": [2, 3, 4, 5, 6], "seeds": 16}  # a program for each d, so that it takes its time
    whole = sweep(grid, TIMES, OBSERVE)
    path = tmp_path / "a.zarr"
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client, ThreadPoolExecutor(1) as pool:
        missing = pool.submit(kill_in_the_middle, path, min(client.run(os.getpid).values()))
        ended = sweep(grid, TIMES, OBSERVE, scheduler=cluster.scheduler_address, store=path).load()
    assert ended.identical(whole)
    assert 0.1 < missing.result() < 1


def kill_in_the_middle(path, process):
    """Kill a process as soon as cells are in the store. Returns the share that was missing then."""
    missing = 1.0
    while missing == 1:
        time.sleep(0.01)
        if path.exists():
            missing = float(xr.open_zarr(path, chunks=None)["evaluations"].isnull().mean())
    os.kill(process, signal.SIGKILL)
    return missing
