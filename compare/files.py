"""Where results go, and how a text among them is written."""

import hashlib
import os
import tempfile
from pathlib import Path

from sim.files import intact as intact
from sim.files import sealed as sealed
from sim.files import write_aside as write_aside
from sim.files import write_netcdf as write_netcdf


def output_directory(path: str | os.PathLike[str]) -> Path:
    """The folder at `path`, which what is written to it makes, so that nothing is left where nothing is written.

    Raises ValueError where it is a file or cannot be written.
    """
    directory = Path(path)
    try:
        if os.path.lexists(directory) and not directory.is_dir():
            raise ValueError(f"the output {directory} is a file: give a folder with --out")
        there = next(folder for folder in (directory, *directory.absolute().parents) if folder.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(
            f"cannot write to {directory} ({error.strerror}): give another folder with --out"
        ) from error
    return directory


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, aside first."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
