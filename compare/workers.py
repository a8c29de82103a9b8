"""Work spread over processes, one thread each: on small problems threads wait for each other more than they work."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

from compare.metrics.threads import one_thread

MOST_PROCESSES = 2
WORTH_A_PROCESS = 3

Task = TypeVar("Task")
Result = TypeVar("Result")


class Workers:
    """As many processes as help, at most 2: begun by the first `Spread` that is worth them, ended with their block."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self.stop()
        self.end()

    @property
    def begun(self) -> bool:
        """Whether there are processes."""
        return "pool" in vars(self)

    @cached_property
    def pool(self) -> ProcessPoolExecutor:
        """The processes, which end as well when this process does, however it ends."""
        context = get_context("spawn")
        ended, self._lifeline = context.Pipe(duplex=False)
        self._open.enter_context(ended)
        self._open.enter_context(self._lifeline)
        return self._open.enter_context(
            ProcessPoolExecutor(_most(), context, initializer=_prepare, initargs=(ended,))
        )

    def end(self) -> None:
        """End the processes once they have done what they were given; whoever asks again gets new ones."""
        self._open.close()
        vars(self).pop("pool", None)

    def stop(self) -> None:
        """End them at once, whatever they do."""
        if self.begun:
            self._lifeline.close()
        self.end()


@dataclass(frozen=True)
class Spread(Generic[Task, Result]):
    """`do` of every task, as they get done: here where they are few, else by `workers`, or by some of its own.

    A new process imports all libraries, about 5 s; so it takes a few tasks to be worth one, unless `workers` are
    there already. Tasks and results are pickled. Iterating raises what the first failing task raises, first in the
    order of `tasks`; those that had not begun are dropped then. Whoever stops iterating, or is interrupted, stops
    the processes at once. Raises RuntimeError where one of them was ended from outside.
    """

    do: Callable[[Task], Result]
    tasks: Sequence[Task]
    workers: Workers | None = None

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Result]:
        begun = self.workers is not None and self.workers.begun
        if min(_most(), len(self.tasks) // (1 if begun else WORTH_A_PROCESS)) < 2:
            with one_thread():
                yield from map(self.do, self.tasks)
        elif self.workers is None:
            with Workers() as own:
                yield from self._done_by(own)
        else:
            yield from self._done_by(self.workers)

    def _done_by(self, workers: Workers) -> Iterator[Result]:
        futures: list[Future[Result]] = []
        try:
            with _uninterrupted():
                futures += (workers.pool.submit(self.do, task) for task in self.tasks)
            for future in as_completed(futures):
                yield _result(future, futures)
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a process that worked was ended from outside, most likely because memory ran out: free some and run "
                "the same command again, which goes on where this one stopped"
            ) from error
        except Exception:
            for future in futures:
                future.cancel()
            raise
        except BaseException:
            workers.stop()
            raise


def _result(done: Future[Result], futures: Sequence[Future[Result]]) -> Result:
    """The result of what is done; where that failed, nothing more is begun, and the first one in order that fails is
    waited for and raised: they began in this order, so that those before it are under way.
    """
    if done.exception() is not None:
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.result()
    return done.result()


def _most() -> int:
    return min(MOST_PROCESSES, os.cpu_count() or 1)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that are begun inside never see Ctrl-C, which reaches all processes of a terminal: this one does."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(ended: Connection) -> None:
    Thread(target=_end_with_parent, args=(ended,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)
    # What is loaded from now on, JAX and torch with the first task, reads these.
    os.environ["JAX_ENABLE_X64"] = "1"
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"


def _end_with_parent(ended: Connection) -> None:
    """End this process as soon as nobody holds the other end of the pipe: nothing is ever sent through it."""
    with suppress(OSError):
        ended.poll(None)
    os._exit(1)
