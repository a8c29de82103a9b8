"""Copies of the source, or trees of a few modules, that stand in for it where code is digested."""

import shutil
from pathlib import Path

from compare.study import closure


def copy_of_ours(folder: Path) -> Path:
    """The Python files of our packages, copied."""
    for package in closure.OURS:
        home = closure.folder_of(package)
        assert home is not None
        for file in home.rglob("*.py"):
            copy = folder / package / file.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return folder


def forget() -> None:
    """What a new process would not know: the code is read again."""
    for cached in (closure.code_digest, closure.source, closure._home, closure._path):
        cached.cache_clear()
