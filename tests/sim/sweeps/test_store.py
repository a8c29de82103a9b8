"""The store of a sweep: what a crash leaves, who may write, and what is not taken."""

import errno
import json
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr
from zarr.storage import LocalStore

from sim.sweeps import store as stores
from sim.sweeps.plan import planned
from sim.sweeps.store import on_disk, owned
from sim.sweeps.sweep import run, sweep
from sim.sweeps.work import one_by_one

GRID = {"beta": [0.5, 2.0, 4.0], "d": [2, 3], "n": 4, "seeds": 3}
TIMES = [0.0, 1.0, 4.0]
OBSERVE = ["mean_cosine", "energy", "collapse_time"]

PROGRAM = """
import jax, sys
jax.config.update("jax_enable_x64", True)
import sim
grid = {"beta": [0.5, 1.0, 2.0, 4.0], "d": 3, "n": 4, "seeds": 400}
sim.sweep(grid, [0.0, 1.0, 30.0], ["mean_cosine", "collapse_time"], store=sys.argv[1], workers=2)
"""


@pytest.fixture(scope="module")
def whole():
    return sweep(GRID, TIMES, OBSERVE)


def plan():
    return planned(GRID, TIMES, OBSERVE)


def test_a_store_goes_on_where_it_was_and_computes_nothing_twice(tmp_path, whole, monkeypatch):
    path = tmp_path / "a.zarr"
    part = on_disk(path, plan(), (1, 1, 1, 1, 3))
    done = list(part.pending())[:2]
    for chunk in done:
        part.write(chunk, one_by_one(plan(), chunk))
    with xr.open_zarr(path) as seen:
        assert int(seen["evaluations"].notnull().sum()) == 6
        assert seen["energy"].isnull().any()
    computed = []
    monkeypatch.setattr(
        "sim.sweeps.engines.one_by_one", lambda plan, chunk: computed.append(chunk) or one_by_one(plan, chunk)
    )
    assert sweep(GRID, TIMES, OBSERVE, store=path).load().identical(whole)
    assert len(computed) == 4
    assert not set(map(str, computed)) & set(map(str, done))
    assert sweep(GRID, TIMES, OBSERVE, store=path).load().identical(whole)
    assert len(computed) == 4


def test_a_chunk_is_not_done_before_all_of_it_is_there(tmp_path, whole, monkeypatch):
    path = tmp_path / "a.zarr"
    put = LocalStore.set
    room = [12]

    async def full(self, key, value, *more):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "no space")
        return await put(self, key, value, *more)

    begun = on_disk(path, plan(), (1, 1, 1, 1, 3))
    monkeypatch.setattr(LocalStore, "set", full)
    with pytest.raises(ValueError, match="No space left") as caught:
        run(plan(), path, workers=1)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert 0 < begun.pending_cells() < plan().cells
    assert run(plan(), path).load().identical(whole)


def test_a_store_says_what_it_is_the_result_of(tmp_path):
    table = sweep({**GRID, "seeds": 1}, TIMES, OBSERVE, store=tmp_path / "a.zarr")
    manifest = json.loads(table.attrs["manifest"])
    assert manifest["sweep"]["axes"]["beta"] == GRID["beta"]
    assert manifest["units"]["collapse_time"] == "t"
    assert set(manifest) >= {"sweep_digest", "code_digest", "versions", "device", "dtype"}
    assert table["time"].attrs["long_name"]


def test_what_is_not_its_own_store_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    small = {**GRID, "seeds": 1}
    sweep(small, TIMES, OBSERVE, store=path)
    with pytest.raises(ValueError, match=r"another grid \(of other beta"):
        sweep({**small, "beta": 1.0}, TIMES, OBSERVE, store=path)
    with pytest.raises(ValueError, match=r"another grid \(of other rtol"):
        sweep(small, TIMES, OBSERVE, store=path, rtol=1e-7)
    monkeypatch.setattr(stores, "_code_digest", lambda: "other")
    with pytest.raises(ValueError, match="another version"):
        sweep(small, TIMES, OBSERVE, store=path)
    monkeypatch.undo()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "mine").write_text("x")
    with pytest.raises(ValueError, match="not the store of a sweep"):
        sweep(small, TIMES, OBSERVE, store=folder)
    assert [file.name for file in folder.iterdir()] == ["mine"]


def test_two_sweeps_do_not_write_one_store(tmp_path):
    path = tmp_path / "a.zarr"
    program = (
        "import time; from pathlib import Path; from sim.sweeps.store import owned\n"
        f"with owned(Path({str(path)!r})):\n    print('here', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "here\n"
        with pytest.raises(ValueError, match=f"process {other.pid} on .* is writing"):
            sweep(GRID, TIMES, OBSERVE, store=path)
        other.kill()
    with owned(path):
        pass
    assert not path.exists()


def killed_at(program, path, seconds):
    """Run a program and kill it so long after its store has appeared. Returns whether it was still running."""
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stderr=subprocess.DEVNULL) as process:
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)
        running = process.poll() is None
        if running:
            process.kill()
    return running


@pytest.mark.slow
def test_killed_at_twenty_moments_it_ends_as_if_it_had_not_been(tmp_path):
    program = PROGRAM.replace("400", "4000")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "whole.zarr")], check=True)
    path = tmp_path / "killed.zarr"
    random = np.random.default_rng(5)
    # A process imports for over a second before it goes on.
    running = [killed_at(program, path, pause) for pause in random.uniform(0.0, 3.0, 20)]
    assert sum(running) >= 15
    with xr.open_zarr(path) as seen:
        seen.load()
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert xr.open_zarr(path).load().identical(xr.open_zarr(tmp_path / "whole.zarr").load())


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_cells(tmp_path):
    """Ten times the cells, a tenth of a hundred thousand: what is kept is on disk."""
    program = PROGRAM.replace("400", "int(sys.argv[2])") + (
        "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    few, many = (
        int(
            subprocess.run(
                [sys.executable, "-c", program, str(tmp_path / f"{seeds}.zarr"), str(seeds)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for seeds in (250, 2500)
    )
    assert many < few + 50  # MB; the table itself is 1 MB
