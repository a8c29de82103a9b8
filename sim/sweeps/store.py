"""The table of a sweep as a Zarr store that is written chunk by chunk and may be read by xarray at any time.

A chunk of a variable is one file, written aside and renamed, so it is there as a whole or not at all. ``evaluations``
is written last: where it is missing the chunk is to be computed, so a sweep goes on from whatever a crash has left.
"""

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np
import xarray as xr
import zarr
from zarr.abc.store import Store as Keeper
from zarr.errors import GroupNotFoundError
from zarr.storage import LocalStore, MemoryStore

from sim.sweeps.axes import AXES
from sim.sweeps.plan import Chunk, Plan, cells_in
from sim.sweeps.work import Block

FORMAT = 1
_MARK = "evaluations"
_UNRUN = -1


class Store:
    """An open store. Made by `create` or `resume`; `keeper` is what holds its files."""

    def __init__(self, keeper: Keeper, plan: Plan):
        self.plan = plan
        self._keeper = keeper
        self._group = zarr.open_group(keeper, mode="r+")
        arrays = {name: self._group[name] for name in plan.variables}
        self._arrays: dict[str, Any] = arrays
        self.chunk_shape = tuple(self._arrays[_MARK].chunks)

    def pending(self) -> Iterator[Chunk]:
        """The chunks that have not been written; of several JAX processes, each has its share. Memory: one chunk."""
        share = islice(self.plan.chunks(self.chunk_shape), jax.process_index(), None, jax.process_count())
        for chunk in share:
            if np.any(self._arrays[_MARK][chunk] == _UNRUN):
                yield chunk

    def pending_cells(self) -> int:
        """How many cells of these have not been written."""
        return sum(map(cells_in, self.pending()))

    def write(self, chunk: Chunk, block: Block) -> None:
        """Keep the results of a chunk. Raises ValueError where they cannot be written: what was there stays."""
        try:
            for name, values in block.items():
                if name != _MARK:
                    self._arrays[name][(*chunk, ...)] = values
            self._arrays[_MARK][chunk] = block[_MARK]
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise ValueError(
                f"cannot write to the store ({reason}): what is finished is kept; make room and run it again"
            ) from error

    def table(self) -> xr.Dataset:
        """The table, read when it is used; in memory where the store is."""
        table = xr.open_zarr(self._keeper, chunks=None)  # pyright: ignore[reportArgumentType]
        return table.load() if isinstance(self._keeper, MemoryStore) else table


def in_memory(plan: Plan, chunk: Sequence[int]) -> Store:
    """A new store in memory, with this shape of chunks."""
    keeper = MemoryStore()
    _lay_out(keeper, plan, chunk)
    return Store(keeper, plan)


def opened(path: Path, plan: Plan) -> Store:
    """The store at `path`. Raises ValueError where there is none, or one of another grid, code or kind of device."""
    _check(path, plan)
    return Store(LocalStore(path), plan)


def on_disk(path: Path, plan: Plan, chunk: Sequence[int]) -> Store:
    """The store at `path`, made with this shape of chunks where there is none.

    Raises ValueError as `opened`.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aside-", dir=path.parent) as folder:
            _lay_out(LocalStore(Path(folder) / path.name), plan, chunk)
            os.replace(Path(folder) / path.name, path)
    return opened(path, plan)


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Own the store at `path` while in the context. Raises ValueError that names the owner where another one does.

    The lock is the operating system's, so it ends with the process that holds it, however that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, owner = path.with_name(f".{path.name}.lock"), path.with_name(f".{path.name}.owner")
    try:
        with filelock.FileLock(lock, blocking=False):
            owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            try:
                yield
            finally:
                owner.unlink(missing_ok=True)
    except filelock.Timeout as error:
        who = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
        raise ValueError(
            f"{who} is writing {path} now: wait until it has finished, or give another store"
        ) from error


def require_room(plan: Plan, path: Path | None) -> None:
    """Raise ValueError where the table would not fit on the disk at `path`, or into memory where that is None."""
    if path is None:
        free, where = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"), "in memory"
    else:
        there = next(folder for folder in path.absolute().parents if folder.exists())
        free, where = shutil.disk_usage(there).free, f"in {there}"
    if plan.nbytes > free:
        raise ValueError(
            f"{plan.cells:,} cells are a table of {readable(plan.nbytes)}, and {readable(free)} are free {where}: "
            "shorten an axis, or observe fewer times"
        )


def readable(nbytes: int | float) -> str:
    """A number of bytes in units of a thousand."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:,.4g} TB"


def manifest(plan: Plan) -> dict[str, Any]:
    """What a store is the result of: the sweep, the code, versions, device and units."""
    return {
        "format": FORMAT,
        "sweep": plan.describe(),
        "sweep_digest": plan.digest,
        "code_digest": _code_digest(),
        "versions": {name: version(name) for name in ("metasphere", "jax", "numpy")},
        "device": jax.devices()[0].device_kind,
        "dtype": str(plan.dtype),
        "units": {name: variable.units for name, variable in plan.variables.items()},
    }


def _lay_out(keeper: Keeper, plan: Plan, chunk: Sequence[int]) -> None:
    """Write the coordinates, the manifest and variables without values."""
    coords = {
        name: (
            name,
            [getattr(value, "__qualname__", value) for value in plan.axes[name]],
            {"long_name": AXES[name]},
        )
        for name in plan.dims
    }
    clock = " and ".join(plan.axes["clock"])
    about = {"long_name": f"time t of the dynamics (USA: {clock} clock)", "units": "1"}
    attrs = {name: _plain(plan.axes[name]) for name in AXES if name not in plan.dims}
    attrs |= {"rtol": plan.rtol, "atol": plan.atol, "manifest": json.dumps(manifest(plan), sort_keys=True)}
    table = xr.Dataset(coords={**coords, "time": ("time", plan.times, about)}, attrs=attrs)
    table.to_zarr(keeper, zarr_format=2, consolidated=False)  # pyright: ignore[reportArgumentType, reportCallIssue]
    group = zarr.open_group(keeper, mode="r+")
    for name, variable in plan.variables.items():
        group.create_array(
            name,
            shape=(*plan.sizes, *variable.shape),
            chunks=(*chunk, *variable.shape),
            dtype="int64" if name == _MARK else "float64",
            fill_value=_UNRUN if name == _MARK else np.nan,
            attributes={
                "_ARRAY_DIMENSIONS": [*plan.dims, *variable.dims],
                "long_name": variable.meaning,
                "units": variable.units,
            },
        )
    zarr.consolidate_metadata(keeper)


def _plain(values: tuple[Any, ...]) -> Any:
    (value,) = values
    return int(value) if isinstance(value, bool) else getattr(value, "__qualname__", value)


def _check(path: Path, plan: Plan) -> None:
    try:
        held = json.loads(str(zarr.open_group(LocalStore(path), mode="r").attrs["manifest"]))
    except (OSError, KeyError, ValueError, GroupNotFoundError) as error:
        raise ValueError(f"{path} is not the store of a sweep: give another path, or remove it") from error
    own = manifest(plan)
    if held.get("format") != FORMAT or held["code_digest"] != own["code_digest"]:
        theirs = f"metasphere {held['versions']['metasphere']}, code {held['code_digest']}"
        raise ValueError(
            f"{path} was made by another version ({theirs}; this is {own['code_digest']}): "
            "finish it with that one, or give another store"
        )
    if held["sweep_digest"] != own["sweep_digest"]:
        differ = _differences(held["sweep"], json.loads(json.dumps(own["sweep"])))
        raise ValueError(
            f"{path} is the store of another grid (of other {differ}): give another store, or this grid another name, "
            "or remove it"
        )
    if held["device"] != own["device"]:
        raise ValueError(
            f"{path} was begun on {held['device']}, and this is {own['device']}, whose results differ by rounding: "
            "go on there, or give another store"
        )


def _differences(held: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    axes = [name for name in AXES if held["axes"].get(name) != own["axes"].get(name)]
    return ", ".join(axes + [name for name in own if name != "axes" and held.get(name) != own[name]])


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    root = Path(str(files("sim")))
    for source in sorted(root.rglob("*.py")):
        digest.update(f"{source.relative_to(root)}\n".encode() + source.read_bytes())
    return digest.hexdigest()[:16]
