"""Where the files of a model are: a registered folder, any other local one, or the Hugging Face hub."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from probe.checkpoints import checkpoints
from probe.gguf_files import gguf_file, header
from probe.hub import fetch
from probe.model_files import CONFIG, content_digest, model_files, read_json
from probe.registry import local_place, models
from probe.wheels import WHEELS


class Source(NamedTuple):
    """A model's name, the folder with its files, and their commit where they come from the hub.

    gguf: the one file that it is, where it is a GGUF.
    """

    name: str
    folder: Path
    commit: str | None
    gguf: Path | None = None

    def facts(self) -> dict[str, Any]:
        """Its config. Raises ValueError where it cannot be read."""
        if self.gguf:
            return dict(header(self.name, self.gguf).facts)
        return read_json(self.name, self.folder / CONFIG)

    def files(self) -> list[Path]:
        """Every file that is read. Raises ValueError as `weight_files` does."""
        return [self.gguf] if self.gguf else model_files(self.name, self.folder)


def find(model: str | os.PathLike[str], revision: str | None = None) -> Source:
    """The files of a model by registered name, folder or hub id, as ID or ID@REVISION; only these go to the network.

    Raises ValueError for a model that is not found or not reachable, a revision of a local folder, and two revisions.
    """
    if not isinstance(model, str | os.PathLike) or not str(model):
        raise ValueError(
            f"a model is a name, a folder, a hub id, or a pair (model, tokenizer), got {model!r}: see probe.models()"
        )
    given, path = str(model), Path(model).expanduser()
    place = local_place(given)
    if place is None and given not in models() and (path.is_dir() or gguf_file(path)):
        given, place = path.resolve().name, path
    if place is not None:
        if revision is not None:
            raise ValueError(f"revision {revision!r} is of the hub, but {given} is local: leave revision out")
        file = gguf_file(place)
        return Source(given, place.parent if file == place else place, None, file)
    if path.is_file():
        raise ValueError(
            f"{given} is a file, and no GGUF: give the folder that holds config.json and the weights"
        )
    parts = re.fullmatch(r"(\w[\w.-]*(?:/\w[\w.-]*)?)(?:@(\w[\w./-]*))?", given)
    if parts is None:
        raise ValueError(
            f"no folder at {given!r}: give a folder that exists, a hub id, or a name among {', '.join(models())}"
        )
    hub_id, at = parts.groups()
    if at and (hub_id in WHEELS or hub_id in checkpoints() or Path(hub_id).is_dir()):
        raise ValueError(f"revision {at!r} is of the hub, but {hub_id} is local: leave revision out")
    if at and revision not in (None, at):
        raise ValueError(f"{given} names a revision, and so does revision={revision!r}: leave one out")
    return Source(given, *fetch(hub_id, at or revision))


def source_digest(source: Source) -> str:
    """SHA-256 of the commit and of names and contents of every file that is read.

    Raises ValueError as `weight_files` does. Cost: reads the weights once.
    """
    parts = [f"{file.relative_to(source.folder)} {content_digest([file])}" for file in source.files()]
    return f"sha256:{hashlib.sha256(repr([source.commit, parts]).encode()).hexdigest()}"
