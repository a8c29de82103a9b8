"""Writing a file so that a crash leaves no half of it."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` on a path in a new folder beside `path`, then rename what it wrote to `path`.

    Folders are made if missing. Whatever fails, `path` stays as it was and nothing is left beside it. The file gets
    the permissions that any new file of the user gets.

    Raises ValueError that names `path` where it cannot be written: a folder is there, a file is in place of its
    folder, the disk is full, or the user may not.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aside-", dir=path.parent) as folder:
            aside = Path(folder) / path.name
            write(aside)
            os.replace(aside, path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ValueError(f"cannot write {path} ({reason}): give a path that can be written") from error


def write_netcdf(path: Path, dataset: xr.Dataset, encoding: Mapping[str, Any] | None = None) -> None:
    """Write one NetCDF-4 file, aside first. Raises ValueError as `write_aside`. Memory: the size of the file.

    The file is made in memory, since HDF5 ends the process with a segmentation fault where a disk is full.
    """
    content = dataset.to_netcdf(engine="h5netcdf", encoding=encoding)
    write_aside(path, lambda aside: aside.write_bytes(content))
