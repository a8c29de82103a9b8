"""Work spread over processes, one thread each: on small problems threads wait for each other more than they work."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Generic, TypeVar

import jax
import torch
from threadpoolctl import threadpool_limits

MOST_PROCESSES = 2
WORTH_A_PROCESS = 3

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Spread(Generic[Task, Result]):
    """`do` of every task, as they get done: here where they are few, else in as many processes as help, at most 2.

    A new process imports all libraries, about 5 s; so it takes a few tasks to be worth one. Tasks and results are
    pickled. Iterating raises what the first failing task raises; tasks that had not begun are dropped then.
    """

    do: Callable[[Task], Result]
    tasks: Sequence[Task]

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Result]:
        processes = min(MOST_PROCESSES, os.cpu_count() or 1, len(self.tasks) // WORTH_A_PROCESS)
        if processes < 2:
            with threadpool_limits(limits=1):
                yield from map(self.do, self.tasks)
            return
        with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare) as pool:
            futures = [pool.submit(self.do, task) for task in self.tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _prepare() -> None:
    jax.config.update("jax_enable_x64", True)
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
