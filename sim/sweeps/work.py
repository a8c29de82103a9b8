"""The results of a chunk of cells: what every engine computes, wherever it runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from sim.attention import Attention
from sim.mergers.record import Coalescence
from sim.mergers.solver import coalesce
from sim.sweeps.plan import Cell, Chunk, Plan
from sim.sweeps.solve import Occupancy, Solved, solve_many, solve_one

Block = Mapping[str, np.ndarray]


def one_by_one(plan: Plan, chunk: Chunk) -> Block:
    """The results of a chunk, its cells solved one after the other: for CPUs, where small batches only cost."""
    cells = plan.cells_of(chunk)
    return _block(
        plan, chunk, [solved_cell(plan, cell) for cell in cells], [mergers_of(plan, cell) for cell in cells]
    )


def solved_cell(plan: Plan, cell: Cell) -> Solved | None:
    """A cell run over time, where anything was asked for that needs it."""
    if not plan.integrates:
        return None
    return jax.device_get(solve_one(plan.problem(cell), shape=plan.shape_class(cell)))


def mergers_of(plan: Plan, cell: Cell) -> Coalescence | None:
    """A cell followed to its last merger, where that was asked for."""
    if not plan.asked.mergers:
        return None
    return coalesce(Attention(cell.beta, cell.kind, clock=cell.clock), plan.start(cell), throw=False)


def side_by_side(plan: Plan, chunks: list[Chunk], size: int, lanes: int) -> tuple[list[Block], Occupancy]:
    """The results of one chunk a device, all of one shape class, each device working through its own.

    size: cells of a full chunk; smaller ones are filled up, so that they are the same program.
    """
    cells = [plan.cells_of(chunk) for chunk in chunks]
    mesh = Mesh(np.asarray(jax.local_devices()[: len(chunks)]), ("device",))
    filled = [[of_chunk[min(k, len(of_chunk) - 1)] for k in range(size)] for of_chunk in cells]
    problems = jax.tree.map(
        lambda *values: jnp.stack(values).reshape(len(chunks), size, *values[0].shape),
        *[plan.problem(cell) for of_chunk in filled for cell in of_chunk],
    )
    shape = plan.shape_class(cells[0][0])
    counts = jnp.asarray([len(of_chunk) for of_chunk in cells])
    solved, occupancy = jax.device_get(solve_many(problems, counts, shape=shape, lanes=lanes, mesh=mesh))

    def at(device: int, k: int) -> Solved:
        return jax.tree.map(lambda values: values[device, k], solved)

    blocks = [
        _block(
            plan,
            chunk,
            [at(device, k) for k in range(len(of_chunk))],
            [mergers_of(plan, cell) for cell in of_chunk],
        )
        for device, (chunk, of_chunk) in enumerate(zip(chunks, cells))
    ]
    return blocks, occupancy


def _block(
    plan: Plan, chunk: Chunk, solved: Sequence[Solved | None], mergers: Sequence[Coalescence | None]
) -> Block:
    variables = plan.variables
    rows = {name: np.full((len(solved), *variable.shape), np.nan) for name, variable in variables.items()}
    rows["evaluations"] = np.zeros(len(solved), np.int64)
    for number, (run, merged) in enumerate(zip(solved, mergers)):
        found: dict[str, Any] = {}
        if run is not None:
            found |= {**run.observed, "collapse_time": run.collapse, "reached": run.reached}
            rows["evaluations"][number] += run.evaluations
        if merged is not None:
            found |= {"merger_log_time": merged.log_times, "merger_pair": merged.pairs}
            rows["evaluations"][number] += merged.evaluations
        for name in found.keys() & rows.keys():
            _fill(rows[name][number : number + 1], found[name])
    sizes = tuple(part.stop - part.start for part in chunk)
    return {name: values.reshape(*sizes, *variables[name].shape) for name, values in rows.items()}


def _fill(room: np.ndarray, values: np.ndarray) -> None:
    """Put values into the first corner of a room, (1, ...), that the longest of them fills."""
    room[(0, *(slice(size) for size in np.shape(values)))] = values
