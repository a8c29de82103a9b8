"""What a command compiles, the next one finds, and so do its processes."""

import os
import subprocess
import sys

import jax

from compare.cli.compiled import compiled_once
from compare.workers import Spread


def coalesce(folder, cache):
    # As from a shell: importing JAX here has set variables of its own.
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "TF_"))}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "metasphere",
            "coalesce",
            "--beta",
            "20",
            "--tokens",
            "8",
            "--out",
            str(folder),
        ],
        env={**ours, "XDG_CACHE_HOME": str(cache), "MPLCONFIGDIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )


def kept(cache):
    return sorted(path.name for path in cache.rglob("*-cache"))


def test_a_second_command_compiles_nothing(tmp_path):
    coalesce(tmp_path / "out", tmp_path / "cache")
    first = kept(tmp_path / "cache")
    assert first
    done = coalesce(tmp_path / "again", tmp_path / "cache")
    assert kept(tmp_path / "cache") == first
    assert done.stderr == ""


def test_without_a_place_for_it_nothing_is_kept_or_said(tmp_path):
    taken = tmp_path / "file"
    taken.touch()
    assert coalesce(tmp_path / "out", taken).stderr == ""


def place(_):
    return str(os.environ.get("JAX_COMPILATION_CACHE_DIR"))


def test_processes_share_it(tmp_path, monkeypatch):
    of_the_suite = os.environ["JAX_COMPILATION_CACHE_DIR"]
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        with compiled_once():
            assert all(found.startswith(str(tmp_path)) for found in Spread(place, range(6)))
        assert place(0) == "None"
    finally:
        jax.config.update("jax_compilation_cache_dir", of_the_suite)
