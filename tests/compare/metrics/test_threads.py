"""One thread: in the block alone, and for libraries that were loaded since the last one too."""

import sys
from types import ModuleType

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from compare.metrics import threads


def of_blas():
    np.linalg.norm(np.ones(2))
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_the_block_has_one_and_what_was_before_comes_back():
    with threadpool_limits(limits=2):
        before = of_blas()
        with threads.one_thread():
            assert of_blas() == {1}
            with threads.one_thread():
                assert of_blas() == {1}
            assert of_blas() == {1}
        assert of_blas() == before


def test_libraries_are_looked_for_where_a_module_was_imported_since(monkeypatch):
    looks = []
    monkeypatch.setattr(threads, "ThreadpoolController", lambda: looks.append(1) or ThreadpoolController())
    threads._libraries.cache_clear()
    for _ in range(3):
        with threads.one_thread():
            pass
    assert looks == [1]
    monkeypatch.setitem(sys.modules, "one_more", ModuleType("one_more"))
    with threads.one_thread():
        pass
    assert looks == [1, 1]
