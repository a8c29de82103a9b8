"""What is compiled for one command, kept for the next one."""

import hashlib
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

_QUICKEST = 0.1
_NOTICE = b"cpu_aot_loader.cc"


@contextmanager
def compiled_once() -> Iterator[None]:
    """Let JAX keep what it compiles in the user's cache, in a folder for processors like this one.

    XLA writes a page of notices to standard error for each program that it loads, since it takes preferences of its own
    for instructions that the processor lacks (jaxlib 0.10); these lines are left out meanwhile.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        yield
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metasphere" / _processor()
    shortest = jax.config.jax_persistent_cache_min_compile_time_secs  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _QUICKEST)
    try:
        with _without_notices():
            yield
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", shortest)


def _processor() -> str:
    """Digest of what this processor can do: programs made for another one may not run here."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        features = sorted({line for line in told if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        features = [platform.platform(), platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *features]).encode()).hexdigest()[:16]


@contextmanager
def _without_notices() -> Iterator[None]:
    """Standard error of this process through a filter of lines; Python's own goes past it, and stays a terminal."""
    before, straight = os.dup(2), sys.stderr
    reading, writing = os.pipe()

    def forward() -> None:
        with os.fdopen(reading, "rb") as lines:
            for line in lines:
                if _NOTICE not in line:
                    os.write(before, line)

    filtering = threading.Thread(target=forward)
    filtering.start()
    own = os.fdopen(os.dup(before), "w", buffering=1, encoding=straight.encoding or "utf-8")
    ours = straight is sys.__stderr__
    sys.stderr = own if ours else straight
    os.dup2(writing, 2)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr = straight
        own.close()
        os.dup2(before, 2)
        filtering.join()
        os.close(before)
