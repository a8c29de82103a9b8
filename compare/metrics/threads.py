"""Linear algebra on one thread: on small problems threads wait for each other more than they work."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A block in which all libraries that are loaded so far have one thread.

    To look for them takes 6 ms: it is done where a module has been imported since.
    """
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    del modules
    return ThreadpoolController()
