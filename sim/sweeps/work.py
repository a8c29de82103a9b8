"""The results of a chunk of cells: what every engine computes, wherever it runs."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from sim.attention import Attention
from sim.mergers.solver import coalesce
from sim.sweeps.plan import Cell, Chunk, Plan
from sim.sweeps.solve import Occupancy, Solved, solve_many, solve_one

Block = Mapping[str, np.ndarray]


def one_by_one(plan: Plan, chunk: Chunk) -> Block:
    """The results of a chunk, its cells solved one after the other: for CPUs, where small batches only cost."""
    cells = plan.cells_of(chunk)
    solved: list[Solved] = []
    if plan.integrates:
        shape = plan.shape_class(cells[0])
        solved = [jax.device_get(solve_one(plan.problem(cell), shape=shape)) for cell in cells]
    return _block(plan, chunk, cells, solved)


def side_by_side(plan: Plan, chunks: list[Chunk], size: int, lanes: int) -> tuple[list[Block], Occupancy]:
    """The results of one chunk a device, all of one shape class, each device working through its own.

    size: cells of a full chunk; smaller ones are filled up, so that they are the same program.
    """
    cells = [plan.cells_of(chunk) for chunk in chunks]
    mesh = Mesh(np.asarray(jax.devices()[: len(chunks)]), ("device",))
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
        _block(plan, chunk, of_chunk, [at(device, k) for k in range(len(of_chunk))])
        for device, (chunk, of_chunk) in enumerate(zip(chunks, cells))
    ]
    return blocks, occupancy


def _block(plan: Plan, chunk: Chunk, cells: list[Cell], solved: list[Solved]) -> Block:
    variables = plan.variables
    rows = {name: np.full((len(cells), *variable.shape), np.nan) for name, variable in variables.items()}
    rows["evaluations"] = np.zeros(len(cells), np.int64)
    for number, run in enumerate(solved):
        for name, values in run.observed.items():
            _fill(rows[name][number], values)
        if plan.asked.collapse:
            rows["collapse_time"][number] = run.collapse
        rows["reached"][number] = run.reached
        rows["evaluations"][number] += run.evaluations
    if plan.asked.mergers:
        for number, cell in enumerate(cells):
            merged = coalesce(
                Attention(cell.beta, cell.kind, clock=cell.clock), plan.start(cell), throw=False
            )
            _fill(rows["merger_log_time"][number], merged.log_times)
            _fill(rows["merger_pair"][number], merged.pairs)
            rows["evaluations"][number] += merged.evaluations
    sizes = tuple(part.stop - part.start for part in chunk)
    return {name: values.reshape(*sizes, *variables[name].shape) for name, values in rows.items()}


def _fill(room: np.ndarray, values: np.ndarray) -> None:
    """Put values into the first corner of a room that the longest of them fills."""
    room[tuple(slice(size) for size in values.shape)] = values
