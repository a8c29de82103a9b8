"""Load a model: a registered name, a local folder, an id of the Hugging Face hub, or one already loaded."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from logging import NullHandler
from pathlib import Path
from typing import Any

import torch

from .families import FAMILIES, Family
from .registry import local_folder, models

DTYPES = ("float32", "float64", "bfloat16", "float16")
INITS = ("trained", "random")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A bare model in evaluation mode with its tokenizer; give it to `extract` to read many texts.

    name: registered name, hub id or name of the folder. revision: commit of the hub, or ``sha256:`` and the digest
    of the weight files, or None for a model that was loaded elsewhere or drawn at random. tokenizer: None for a
    model that reads images. init: ``"trained"`` or ``"random"``; seed: of the random weights, else None.
    """

    name: str
    revision: str | None
    family: Family
    model: Any
    tokenizer: Any
    init: str = "trained"
    seed: int | None = None


def load(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    init: str = "trained",
    seed: int = 0,
) -> LoadedModel:
    """Load a model once, to read many texts with `extract`.

    Arguments
    ---------
    model: a name of `models()`; or a local folder as ``save_pretrained`` writes it; or an id of the Hugging Face
        hub; or a pair (model, tokenizer), with None for the tokenizer where the model reads images; or what this
        function returned, which passes through. A registered name goes before a folder of that name (write
        ``./gpt2`` for the folder), a folder before a hub id. Only a hub id goes to the network.
    revision: commit, tag or branch of a hub id; the main branch where not given.
    dtype: float32 (where not given), float64, bfloat16 or float16.
    device: a torch device; ``"cpu"`` where not given.
    init: ``"trained"``, or ``"random"`` for the untrained control: a new model made from the config alone, as at the
        first step of training. No trained tensor enters; of a folder, the weights are not even read. Every matrix
        and embedding is drawn anew for each seed. Gains of norms are 1 and all biases 0 in each of them, because that
        is how these families start, and so is the embedding of the padding token.
    seed: of the random weights.

    Only safetensors are read and no code that comes with a model is run, so that a model from anywhere is data.
    Attention is the eager one, whose rows can be read. Cost: reads the weights twice, once for their digest.

    Raises ValueError for a model that is not found or not reachable, has no config, tokenizer or safetensors, is of
    an unknown family, or whose weights do not fill its config; and for `revision`, `dtype` or `device` where they
    have no meaning.
    """
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    if isinstance(model, LoadedModel | tuple):
        if (revision, dtype, device) != (None, None, None):
            raise ValueError(
                "revision, dtype and device do not apply to a loaded model: set them where you load it"
            )
        loaded = model if isinstance(model, LoadedModel) else _adopt(*model)
        return loaded if init == "trained" else _reinitialised(loaded, seed)
    name, folder, commit = _find(model, revision)
    family = _family(_model_type(name, folder), name)
    if dtype not in (None, *DTYPES):
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    kind = getattr(torch, dtype or "float32")
    if init == "random":
        config, tokenizer = _read_config(name, folder), _read_tokenizer(name, folder, family)
        network = _moved(_random(family, config, kind, seed), device or "cpu").eval()
        return LoadedModel(name, None, family, network, tokenizer, init, seed)
    digest = commit or _digest(_weight_files(name, folder))
    tokenizer = _read_tokenizer(name, folder, family)
    network = _moved(_read_weights(name, folder, family, kind), device or "cpu").eval()
    return LoadedModel(name, digest, family, network, tokenizer)


def check(model: str | os.PathLike[str], revision: str | None = None) -> None:
    """Raise the ValueError that `load` would raise before it reads the weights; hub ids are fetched."""
    name, folder, _ = _find(model, revision)
    _family(_model_type(name, folder), name)
    _weight_files(name, folder)


def model_digest(model: str | os.PathLike[str], revision: str | None = None) -> str:
    """SHA-256 of every file of a model that is read, with the commit of a hub id: what its runs depend on.

    Raises the ValueError that `load` would raise before it reads the weights; hub ids are fetched.
    """
    check(model, revision)
    _, folder, commit = _find(model, revision)
    digest = hashlib.sha256(f"{commit}\n".encode())
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".safetensors", ".txt", ".model"):
            digest.update(f"{file.name}\n{file_digest(file)}\n".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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


def _reinitialised(loaded: LoadedModel, seed: int) -> LoadedModel:
    """The model that training would have started from, for this seed."""
    network = _random(loaded.family, loaded.model.config, loaded.model.dtype, seed)
    network = network.to(loaded.model.device).eval()
    return replace(loaded, model=network, revision=None, init="random", seed=seed)


def _random(family: Family, config: Any, dtype: torch.dtype, seed: int) -> Any:
    """A new model from the config; torch's own random state is left as it was."""
    import transformers

    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return getattr(transformers, family.architecture)._from_config(
            config, attn_implementation="eager", dtype=dtype, **family.options
        )


def _find(model: str | os.PathLike[str], revision: str | None) -> tuple[str, Path, str | None]:
    """(name, folder with its files, commit where it comes from the hub)."""
    given, path = str(model), Path(model).expanduser()
    folder = local_folder(given)
    if folder is None and given not in models() and path.is_dir():
        given, folder = path.resolve().name, path
    if folder is not None:
        if revision is not None:
            raise ValueError(f"revision {revision!r} is of the hub, but {given} is local: leave revision out")
        return given, folder, None
    if path.is_file():
        raise ValueError(f"{given} is a file: give the folder that holds config.json and the weights")
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", given):
        raise ValueError(
            f"no folder at {given!r}: give a folder that exists, a hub id, or a name among {', '.join(models())}"
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


_SOURCES = {"local_files_only": True, "trust_remote_code": False}


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Whatever goes wrong in transformers while it reads a folder, as one line."""
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{name} cannot be loaded ({reason}): save model and tokenizer again") from error


def _read_config(name: str, folder: Path) -> Any:
    import transformers

    with _readable(name):
        return transformers.AutoConfig.from_pretrained(folder, **_SOURCES)


def _read_tokenizer(name: str, folder: Path, family: Family) -> Any:
    import transformers

    if family.reads == "image":
        return None
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise ValueError(
            f"{name} has no tokenizer: save it to the same folder with tokenizer.save_pretrained"
        )
    with _readable(name):
        return transformers.AutoTokenizer.from_pretrained(folder, **_SOURCES)


def _read_weights(name: str, folder: Path, family: Family, dtype: torch.dtype) -> Any:
    """The model, with every tensor of its config read from the weights."""
    import transformers

    with _readable(name):
        model, found = getattr(transformers, family.architecture).from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation="eager",
            dtype=dtype,
            **_SOURCES,
            **family.options,
        )
    if found["missing_keys"]:
        raise ValueError(
            f"the weights of {name} lack {len(found['missing_keys'])} tensors that its config asks for, such as "
            f"{min(found['missing_keys'])}: save the model again with model.save_pretrained"
        )
    return model


def _moved(model: torch.nn.Module, device: str) -> torch.nn.Module:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: give device='cpu'") from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of transformers inside; what was set before is set again after.

    The handlers are told, not the logger: after a change of its level all loggers forget what is enabled, which takes
    longer than to tokenise a text.
    """
    from transformers.utils import logging

    logger, bars = logging.get_logger(), logging.is_progress_bar_enabled()
    silent = NullHandler()
    logger.addHandler(silent)  # without any handler Python's last resort would print
    levels, propagates = [handler.level for handler in logger.handlers], logger.propagate
    for handler in logger.handlers:
        handler.setLevel("ERROR")
    logger.propagate = False
    logging.disable_progress_bar()
    try:
        yield
    finally:
        for handler, level in zip(logger.handlers, levels):
            handler.setLevel(level)
        logger.removeHandler(silent)
        logger.propagate = propagates
        if bars:
            logging.enable_progress_bar()
