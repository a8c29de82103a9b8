"""Simulations over a grid of parameters, each reduced to a few numbers, as one labelled table."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from jax.experimental import multihost_utils
from jax.typing import ArrayLike
from tqdm import tqdm

from sim.precision import Precision, require_64_bit
from sim.sweeps import engines
from sim.sweeps.axes import Axis
from sim.sweeps.observables import RADIUS, mean_cosine_and_energy
from sim.sweeps.plan import Plan, planned
from sim.sweeps.starts import Start
from sim.sweeps.stepper import Observe
from sim.sweeps.store import Store, in_memory, on_disk, opened, owned, require_room

# Cells of a chunk on a CPU, and into how many chunks a small table is cut at least: cores wait for the last of them.
_CELLS_OF_A_CORE, _CHUNKS = 64, 32
_CELLS_OF_A_DEVICE = 1024


def sweep(
    grid: Mapping[str, Axis],
    times: ArrayLike | Sequence[float | int],
    observe: str | Observe | Sequence[str | Observe] = mean_cosine_and_energy,
    *,
    start: str | Start | Sequence[str] = "uniform",
    causal: bool = False,
    rtol: float = 1e-8,
    atol: float = 1e-11,
    max_steps: int = 100_000,
    radius: float = RADIUS,
    tau: float | None = None,
    alpha: float | None = None,
    dtype: Precision = np.float64,
    store: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Simulate every cell of a grid and record what is observed: what `simulate` does, many times.

    All tokens have equal mass. On a CPU each shape class (all axes but beta and seed) is one compiled program that
    solves cell by cell, on all cores; on accelerators each device works through a queue of cells in lanes. Where d > n
    a cell runs in the n dimensions that its start spans: attention with Q = K = V = I never leaves them, so this is
    exact, and d = 1024 costs what d = n does. Then also `observe` sees n coordinates, so it must not depend on a
    rotation. Where `jax.distributed.initialize` has joined several processes, each makes this same call, takes its
    share of the cells, and returns the whole table when all have ended; they must see one store.

    Arguments
    ---------
    grid: values of the axes ``beta`` (>= 0), ``d`` (>= 2), ``n`` (>= 2), and, where given, ``kind`` ("SA", "USA"),
        ``causal``, ``norm``, ``clock`` (as of `Attention`), ``start`` (as below) and ``seed``; one value or a list of
        different ones each. ``seeds = k`` stands for ``seed`` 0 to k - 1.
    times: strictly increasing; the first one is the time of the start.
    observe: a name, a function or a list of them. Names: ``"mean_cosine"``, ``"energy"`` (E1 at the cell's beta) and
        ``"clusters"`` (groups joined by chains of angles of at most `radius`) at each time; ``"collapse_time"``, the
        first t with mean cosine >= 0.999, found between the steps; ``"mergers"``, log time and pair of each merger
        through `coalesce`. A function is (x, beta) -> {name: number or array}, traceable by JAX, of the (n, min(n, d))
        unit rows x at one time.
    start: ``"uniform"``, ``"caps"`` (of height 0.003 round the axes), the path of a .npy file of (n, d) or
        (count, n, d) points, or a function (n, d, seed) -> (n, d) unit rows.
    causal: token i sees only j <= i; where the grid has no such axis.
    rtol, atol, max_steps: as in `simulate`, for each cell.
    radius: an angle in (0, pi), of ``"clusters"``. tau, alpha: of the norms mix and ngpt, as of `Attention`.
    dtype: float64, or float32 for accelerators that are slow in the former, with rtol and atol of at least 1e-6; the
        start, and what is observed, are in float64 then too.
    store: path of a Zarr store to keep the table in, which `xarray.open_zarr` reads at any time. Where the same sweep
        has been interrupted there, it goes on, and ends bit for bit as if it had not been.
    workers: threads, or array jobs, at once; as many as there are cores where None.
    scheduler: the address of a Dask scheduler, such as "tcp://host:8786", or "slurm" or "local" for array jobs through
        submitit; all machines must see the store.
    progress: show a bar where standard error is a terminal.

    Returns a data set with dimensions (kind, n, d, beta, seed) and whichever other axes the grid names, before time:
    the observations; ``collapse_time``; ``merger_log_time`` and ``merger_pair``; ``reached``, the last time of the
    solver; ``evaluations`` of the field. Observations of times after ``reached``, where max_steps ran out, are NaN, and
    so is the end of a vector that is longer in other cells. With a store, values are read when used.
    Raises ValueError for an unknown axis or a bad value of one, times out of order, a table that does not fit, a store
    of another sweep or with another owner, a scheduler that does not answer, and 32-bit JAX.
    Cost: the sum of its runs, 12 evaluations of the field a step; one compilation (about a second) for each shape
    class, none where the process or JAX's persistent cache has it. Memory: a chunk of cells for each worker.

    >>> import sim
    >>> table = sim.sweep({"beta": [0.0, 9.0], "d": 2, "n": 4}, [0.0, 1.0], "mean_cosine")
    >>> table["mean_cosine"].squeeze().dims, table["mean_cosine"].values.squeeze().round(3).tolist()
    (('beta', 'time'), [[-0.076, 0.262], [-0.076, -0.061]])
    """
    require_64_bit()
    plan = planned(
        grid,
        times,
        observe,
        start=start,
        causal=causal,
        radius=radius,
        tau=tau,
        alpha=alpha,
        dtype=dtype,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
    )
    return run(plan, None if store is None else Path(store), workers, scheduler, progress)


def run(
    plan: Plan,
    path: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Compute what of a plan is not in its store yet; arguments and errors as of `sweep`."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if scheduler is not None and path is None:
        raise ValueError("a scheduler needs a store that its machines see: give store, the path of one")
    if scheduler is not None and scheduler not in engines.ARRAY_ENGINES:
        engines.require_dask(scheduler)
    if path is None or not path.exists():
        require_room(plan, path)
    chunk = (
        plan.chunk_shape(min(_CELLS_OF_A_CORE, max(1, plan.cells // _CHUNKS)))
        if jax.default_backend() == "cpu"
        else plan.chunk_shape(_CELLS_OF_A_DEVICE, len(jax.devices()))
    )
    with _open(plan, path, chunk) as store:
        with tqdm(total=plan.cells, unit="cell", disable=not (progress and sys.stderr.isatty())) as shown:
            shown.update(plan.cells - store.pending_cells())
            for cells in _engine(store, path, workers or cores(), scheduler):
                shown.update(cells)
        _meet("the end of a sweep")
        return store.table()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _open(plan: Plan, path: Path | None, chunk: tuple[int, ...]) -> Iterator[Store]:
    """The store, made and owned by the first of several JAX processes; ValueError where they have none to share."""
    if path is None:
        if jax.process_count() > 1:
            raise ValueError(
                f"{jax.process_count()} JAX processes need a store that all see: give store, its path"
            )
        yield in_memory(plan, chunk)
    elif jax.process_index() == 0:
        with owned(path):
            store = on_disk(path, plan, chunk)
            _meet("the store of a sweep")
            yield store
    else:
        if path.exists():
            opened(path, plan)  # refuses here too what the first process refuses, which else would not come
        _meet("the store of a sweep")
        yield opened(path, plan)


def _meet(where: str) -> None:
    """Wait here for all JAX processes."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(where)


def _engine(store: Store, path: Path | None, workers: int, scheduler: str | None) -> Iterator[int]:
    if path is not None and scheduler in engines.ARRAY_ENGINES:
        return engines.on_job_array(store, path.absolute(), scheduler, workers)
    if path is not None and scheduler is not None:
        return engines.on_dask(store, path.absolute(), scheduler)
    if jax.default_backend() == "cpu":
        return engines.on_cores(store, workers)
    return engines.on_devices(store)
