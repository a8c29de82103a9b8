"""What is measured is measured on one thread: matrices of a few hundred rows are not worth a second one."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A block in which the libraries that came with the modules imported so far have one thread.

    To look for them takes 6 ms, so it is done only where the number of modules is another one than last time.
    """
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    del modules  # the key, by which they are looked for again
    return ThreadpoolController()
