"""What the coalescing solver compiles: one program a size, whatever is asked for, and none where the cache is warm."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import sim
from sim.mergers import batch

ANEW = """
import jax, sim
jax.config.update("jax_enable_x64", True)
seen = []
jax.monitoring.register_event_listener(lambda event, **_: seen.append(event))
sim.coalesce(sim.Attention(50.0), sim.uniform(5, 2))
sim.coalesce(sim.Attention(9.0, "USA"), sim.uniform(7, 2))
print(*(sum(event.endswith(end) for event in seen) for end in ("cache_misses", "cache_hits")))
"""


@pytest.fixture
def compiled():
    """Names of the programs compiled in this test."""
    names = []

    def listen(event: str, duration_secs: float, **about: str | int) -> None:
        if event.endswith("backend_compile_duration"):
            names.append(about["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_size_is_compiled_once(compiled):
    x = sim.uniform(40, 5, seed=0)  # 5 dimensions, as in no other test
    sim.coalesce(sim.Attention(30.0), x)
    # Groups of up to 8 and of up to 64 clusters.
    assert compiled.count("jit(advance)") == 2
    compiled.clear()
    sim.coalesce(sim.Attention(2e3, "USA"), x[:33], tolerance=1e-7)
    sim.coalesce(sim.Attention(5.0), np.stack([x[:8], x[8:16], x[16:24]]))
    sim.coalesce(sim.Attention(5.0), x[:12]).at(0.5)
    assert compiled == []


def test_a_second_process_compiles_nothing(tmp_path):
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

    def run() -> list[int]:
        ran = subprocess.run(
            [sys.executable, "-c", ANEW],
            env={**os.environ, **cache},
            check=True,
            capture_output=True,
            text=True,
        )
        return [int(count) for count in ran.stdout.split()]

    missed, hit = run()
    assert (missed > 0, hit) == (True, 0)
    assert run() == [0, missed]


@pytest.mark.parametrize("kind", ["SA", "USA"])
@pytest.mark.parametrize("slots", [64, 512])
def test_empty_slots_change_nothing(monkeypatch, kind, slots):
    """Eight clusters alone in their slots, and with many empty ones, in tiles of all rows and of a few."""
    start = batch.Start(sim.uniform(8, 3, seed=4), np.random.default_rng(4).dirichlet(np.ones(8)), -np.inf, 8)
    rules = batch.rules(200.0, kind == "USA", 1e-8, 5e-8)
    (tight,) = batch.follow([start], rules, 10**6)
    monkeypatch.setattr(batch, "_slots_for", lambda _: slots)
    (loose,) = batch.follow([start], rules, 10**6)
    assert [(m.kept, m.gone) for m in loose.mergers] == [(m.kept, m.gone) for m in tight.mergers]
    # Sums in another order: rounding, grown by the instability of what nearly ties; a step's own error is 1e-8.
    np.testing.assert_allclose(
        [m.log_elapsed for m in loose.mergers], [m.log_elapsed for m in tight.mergers], rtol=1e-10
    )
