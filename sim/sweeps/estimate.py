"""What a sweep would cost, from one cell of a few of its shape classes."""

import time
from dataclasses import dataclass

import jax
import numpy as np

from sim.sweeps.axes import COPIES
from sim.sweeps.plan import Cell, Plan
from sim.sweeps.work import solved_cell

_TRIED = 5


@dataclass(frozen=True)
class Estimate:
    """Cells, shape classes, bytes of the whole table and of what one worker holds, and seconds on one core.

    tried: shape classes of which a cell was timed; the others are interpolated in n^2 min(n, d).
    """

    cells: int
    classes: int
    table_bytes: int
    worker_bytes: int
    compiling: float
    solving: float
    tried: int

    def seconds(self, workers: int) -> float:
        """Estimated time on so many cores of this machine, compiling on one of them."""
        return self.compiling + self.solving / workers


def estimate(plan: Plan) -> Estimate:
    """The cost of a plan. Solves one cell, of the middle beta, of at most five shape classes; writes nothing."""
    classes = sorted(plan.classes().values(), key=_work)
    picked = [classes[k] for k in np.unique(np.linspace(0, len(classes) - 1, _TRIED).round().astype(int))]
    work, first, then = [], [], []
    for cell in picked:
        cell = cell._replace(beta=plan.axes["beta"][len(plan.axes["beta"]) // 2])
        work.append(_work(cell))
        first.append(_seconds(plan, cell))
        then.append(_seconds(plan, cell))
    solving = np.interp([_work(cell) for cell in classes], work, then)
    compiling = float(np.mean(np.maximum(np.subtract(first, then), 0))) * len(classes)
    largest = classes[-1]
    return Estimate(
        plan.cells,
        len(classes),
        plan.nbytes,
        8 * (COPIES * largest.n * largest.span + 4 * largest.n**2),
        compiling,
        float(np.mean(solving)) * plan.cells,
        len(picked),
    )


def _work(cell: Cell) -> int:
    return cell.n**2 * cell.span


def _seconds(plan: Plan, cell: Cell) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(solved_cell(plan, cell))
    return time.perf_counter() - begun
