"""What is compiled for one command, kept for the next one."""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

# Programs that compile fast are kept too: what a cache holds must not depend on how busy the machine was.
_QUICKEST = 0


@contextmanager
def compiled_once() -> Iterator[None]:
    """Let JAX keep what it compiles in the user's cache, in a folder for processors like this one.

    Where a cache is set already, that one serves; where the user has none that can be written, nothing is kept.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        yield
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metasphere" / _processor()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        yield
        return
    shortest = jax.config.jax_persistent_cache_min_compile_time_secs  # pyright: ignore[reportAttributeAccessIssue]
    # JAX reads the one here, and the other in the processes that this one starts.
    settings = {
        "jax_compilation_cache_dir": str(cache),
        "jax_persistent_cache_min_compile_time_secs": _QUICKEST,
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", shortest)
        for name in settings:
            del os.environ[name.upper()]


def _processor() -> str:
    """Digest of what this processor can do: programs made for another one may not run here."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        features = sorted({line for line in told if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        features = [platform.platform(), platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *features]).encode()).hexdigest()[:16]
