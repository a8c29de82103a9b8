"""Where the chunks of a sweep are computed: on the cores or devices of this machine, or by a cluster's own engine.

Each engine takes an open store and yields the number of cells behind each chunk once that chunk is in the store. Chunks
depend on nothing but the plan, so one that is lost with its worker is computed again, and comes out the same.
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from math import prod
from pathlib import Path
from typing import Any, cast

import jax

from sim.sweeps.plan import Chunk, Plan, cells_in
from sim.sweeps.solve import Occupancy
from sim.sweeps.store import Store, opened
from sim.sweeps.work import one_by_one, side_by_side

ARRAY_ENGINES = ("slurm", "local")
_TURNS = 8
_PATIENCE = 10.0  # seconds


def on_cores(store: Store, workers: int) -> Iterator[int]:
    """Chunks on `workers` threads of this process, cell by cell: they share what is compiled."""

    def compute(chunk: Chunk) -> int:
        store.write(chunk, one_by_one(store.plan, chunk))
        return cells_in(chunk)

    pool = ThreadPoolExecutor(workers, thread_name_prefix="sweep")
    try:
        yield from _as_finished(lambda chunk: pool.submit(compute, chunk), store.pending(), 2 * workers)
    finally:
        pool.shutdown(cancel_futures=True)


def on_devices(store: Store, tell: Callable[[Occupancy], None] = lambda _: None) -> Iterator[int]:
    """Chunks on all accelerators of this process, one at a time on each; `tell` hears how busy the lanes were."""
    size, plan = prod(store.chunk_shape), store.plan
    lanes = max(1, size // _TURNS)
    for group in _alike(plan, store.pending(), len(jax.local_devices())):
        blocks, occupancy = side_by_side(plan, group, size, lanes)
        tell(occupancy)
        for chunk, block in zip(group, blocks):
            store.write(chunk, block)
            yield cells_in(chunk)


def require_dask(address: str) -> None:
    """Raise ValueError where nothing listens at the address of a Dask scheduler."""
    from distributed.comm.addressing import get_address_host_port, parse_address

    try:
        if parse_address(address)[0] in ("tcp", "tls", "ws", "wss"):
            socket.create_connection(get_address_host_port(address), _PATIENCE).close()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {address} ({error}): start one, or leave out --scheduler"
        ) from error


def on_dask(store: Store, path: Path, address: str) -> Iterator[int]:
    """Chunks through the Dask scheduler at `address`, whose workers see the folder of the store."""
    from dask import distributed

    try:
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"what listens at {address} does not answer as a Dask scheduler ({error}): start one, or leave out "
            "--scheduler"
        ) from error
    with client:

        def submit(chunk: Chunk) -> Any:
            return client.submit(compute_remotely, store.plan, path, [chunk], pure=False)

        pending = store.pending()
        threads = max(1, sum(dict(cast(Any, client.nthreads())).values()))
        finished = distributed.as_completed(submit(chunk) for chunk in islice(pending, 4 * threads))
        for future in finished:
            yield future.result()
            for chunk in islice(pending, 1):
                finished.add(submit(chunk))


def on_job_array(store: Store, path: Path, cluster: str, workers: int) -> Iterator[int]:
    """Chunks as array jobs through submitit, `workers` jobs at once; the jobs see the folder of the store.

    Jobs that are lost are submitted again, as long as others finish. Raises ValueError where all of them are.
    """
    import submitit

    executor = submitit.AutoExecutor(path.with_name(f"{path.name}.jobs"), cluster=cluster)
    executor.update_parameters(name="sweep", timeout_min=24 * 60, slurm_array_parallelism=workers)
    while chunks := list(store.pending()):
        shares = [chunks[k::workers] for k in range(min(workers, len(chunks)))]
        jobs = executor.map_array(compute_remotely, *zip(*((store.plan, path, share) for share in shares)))
        done, errors = 0, []
        for job in submitit.helpers.as_completed(jobs):
            error = job.exception()
            if error is None:
                done += job.result()
                yield job.result()
            else:
                errors.append(str(error))
        if not done and len(list(store.pending())) == len(chunks):
            raise ValueError(f"every job failed; the first said: {errors[0].strip().splitlines()[-1]}")


def compute_remotely(plan: Plan, path: Path, chunks: list[Chunk]) -> int:
    """Compute chunks in a worker's own process, and write them to the store at `path`. Returns the number of cells."""
    jax.config.update("jax_enable_x64", True)
    if not path.exists():
        raise ValueError(f"this worker does not see {path}: give a store in a folder that all machines share")
    store = opened(path, plan)
    for chunk in chunks:
        store.write(chunk, one_by_one(plan, chunk))
    return sum(map(cells_in, chunks))


def _as_finished(submit: Callable[[Chunk], Future[int]], chunks: Iterable[Chunk], most: int) -> Iterator[int]:
    """Results as they come, with at most `most` chunks waiting or running."""
    remaining = iter(chunks)
    running = {submit(chunk) for chunk in islice(remaining, most)}
    while running:
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield future.result()
        running |= {submit(chunk) for chunk in islice(remaining, len(finished))}


def _alike(plan: Plan, chunks: Iterator[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Chunks that follow each other and are of one shape class, in groups of at most `most`."""

    def program(chunk: Chunk) -> Any:
        cell = plan.cell([part.start for part in chunk])
        return plan.shape_class(cell), cell.n, cell.span

    group: list[Chunk] = []
    for chunk in chain(chunks, [None]):
        if group and (chunk is None or len(group) == most or program(chunk) != program(group[0])):
            yield group
            group = []
        if chunk is not None:
            group.append(chunk)
