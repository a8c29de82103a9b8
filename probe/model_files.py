"""The files of a model that are read, which are data only: none is a pickle, none lies outside its folder."""

import hashlib
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
# What else than the weights changes what a model reads from a text or an image.
SETTINGS = (
    CONFIG,
    "tokenizer*.json",
    "vocab*",
    "merges*",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)
_LFS = b"version https://git-lfs"


def read_json(name: str, file: Path) -> dict[str, Any]:
    """The object of a JSON file of the model `name`. Raises ValueError where it is missing or no JSON object."""
    try:
        content = file.read_bytes()
    except OSError:
        raise ValueError(
            f"{name} has no {file.name}: give a folder that model.save_pretrained wrote"
        ) from None
    if content.startswith(_LFS):
        raise _pointer(name, file)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"the {file.name} of {name} is not a JSON object: save the model again")
    return found


def weight_files(name: str, folder: Path) -> list[Path]:
    """The safetensors files of a model: one, or those that its index names.

    Raises ValueError where there is none, or the index names a file that is missing, no safetensors file, or outside
    the folder.
    """
    if (folder / WEIGHTS).is_file():
        files = [folder / WEIGHTS]
    elif (folder / INDEX).is_file():
        places = read_json(name, folder / INDEX).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise ValueError(f"the {INDEX} of {name} has no weight_map: save the model again")
        files = [_named_by_index(name, folder, place) for place in sorted(set(map(str, places.values())))]
    else:
        raise no_weights(name, (file.name for file in folder.iterdir()))
    for file in files:
        _check_pointer(name, file)
    return files


def no_weights(name: str, files: Iterable[str]) -> ValueError:
    """What to say of a model whose files, by name, hold no safetensors."""
    pickle = min((file for file in files if file.endswith(PICKLES)), default=None)
    if pickle is None:
        return ValueError(f"{name} has no weights ({WEIGHTS}): save them with model.save_pretrained")
    return ValueError(
        f"{name} has pickled weights only ({pickle}), which can run code when read: convert them to {WEIGHTS} with "
        "model.save_pretrained"
    )


def tokenizer_files(name: str, folder: Path) -> list[Path]:
    """The vocabularies of a model of text. Raises ValueError where there is none, or none that can be read here."""
    found = sorted(file for pattern in VOCABULARIES for file in folder.glob(pattern) if file.is_file())
    if not found:
        raise ValueError(
            f"{name} has no tokenizer: save it to the same folder with tokenizer.save_pretrained"
        )
    for file in found:
        _check_pointer(name, file)
    pieces = all(file.suffix == ".model" for file in found)
    if pieces and not (find_spec("sentencepiece") and _has_protobuf()):
        raise ValueError(
            f"the tokenizer of {name} is {found[0].name} alone, which needs two more packages: pip install "
            "sentencepiece protobuf, or save tokenizer.json beside it"
        )
    return found


def model_files(name: str, folder: Path) -> list[Path]:
    """Every file that changes what the model computes, by name. Raises ValueError as `weight_files` does."""
    files = {file for pattern in SETTINGS for file in folder.glob(pattern) if file.is_file()}
    weights = weight_files(name, folder)
    if (folder / WEIGHTS) not in weights:
        files.add(folder / INDEX)
    return sorted(files.union(weights))


def content_digest(files: Iterable[Path]) -> str:
    """SHA-256 of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _named_by_index(name: str, folder: Path, place: str) -> Path:
    relative = Path(place)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(
            f"the {INDEX} of {name} names {place!r}, outside of its folder: put all weights into one folder"
        )
    if relative.suffix != ".safetensors":
        raise ValueError(
            f"the {INDEX} of {name} names {place!r}, which is no safetensors file and could run code when read: "
            "save the model again with model.save_pretrained"
        )
    if not (folder / relative).is_file():
        raise ValueError(f"{name} lacks {place!r}, which its {INDEX} names: copy or download it again")
    return folder / relative


def _check_pointer(name: str, file: Path) -> None:
    with file.open("rb") as opened:
        if opened.read(len(_LFS)) == _LFS:
            raise _pointer(name, file)


def _pointer(name: str, file: Path) -> ValueError:
    return ValueError(
        f"the {file.name} of {name} is a pointer of Git LFS and not the file itself: run `git lfs pull` in its folder"
    )


def _has_protobuf() -> bool:
    try:
        return find_spec("google.protobuf") is not None
    except ModuleNotFoundError:
        return False
