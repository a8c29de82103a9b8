"""Where results go, and how a text among them is written."""

import os
import tempfile
from pathlib import Path

from sim.files import write_aside as write_aside


def output_directory(path: str | os.PathLike[str]) -> Path:
    """The folder at `path`, made if missing. Raises ValueError where it is a file or cannot be written."""
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"the output {directory} is a file: give a folder with --out")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(
            f"cannot write to {directory} ({error.strerror}): give another folder with --out"
        ) from error
    return directory


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, aside first."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))
