"""Where the files of a model are: a registered folder, any other local one, or the Hugging Face hub."""

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from probe.hub import fetch
from probe.model_files import content_digest, model_files
from probe.registry import local_folder, models


class Source(NamedTuple):
    """A model's name, the folder with its files, and their commit where they come from the hub."""

    name: str
    folder: Path
    commit: str | None


def find(model: str | os.PathLike[str], revision: str | None = None) -> Source:
    """The files of a model by registered name, folder or hub id; only a hub id goes to the network.

    Raises ValueError for a model that is not found or not reachable, and a revision of a local folder.
    """
    given, path = str(model), Path(model).expanduser()
    folder = local_folder(given)
    if folder is None and given not in models() and path.is_dir():
        given, folder = path.resolve().name, path
    if folder is not None:
        if revision is not None:
            raise ValueError(f"revision {revision!r} is of the hub, but {given} is local: leave revision out")
        return Source(given, folder, None)
    if path.is_file():
        raise ValueError(f"{given} is a file: give the folder that holds config.json and the weights")
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", given):
        raise ValueError(
            f"no folder at {given!r}: give a folder that exists, a hub id, or a name among {', '.join(models())}"
        )
    return Source(given, *fetch(given, revision))


def source_digest(source: Source) -> str:
    """SHA-256 of the commit and of names and contents of every file that is read.

    Raises ValueError as `weight_files` does. Cost: reads the weights once.
    """
    files = model_files(source.name, source.folder)
    parts = [f"{file.relative_to(source.folder)} {content_digest([file])}" for file in files]
    return f"sha256:{hashlib.sha256(repr([source.commit, parts]).encode()).hexdigest()}"
