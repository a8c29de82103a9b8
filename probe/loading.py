"""Load a model: a registered name, a local folder, an id of the Hugging Face hub, or one already loaded."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from probe.calls import one_line, quiet
from probe.families import FAMILIES, Family
from probe.model_files import CONFIG, content_digest, read_json, tokenizer_files, weight_files
from probe.sources import Source, find, source_digest
from probe.weights import filled

DTYPES = ("float32", "float64", "bfloat16", "float16")
INITS = ("trained", "random")


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
    an unknown family or quantised, or whose weights do not fill its config, or have tensors of the model itself (heads
    for a task aside) that its config has no place for; and for `revision`, `dtype` or `device` where they
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
    source = find(model, revision)
    facts = read_json(source.name, source.folder / CONFIG)
    family = _family(facts.get("model_type"), source.name)
    if dtype not in (None, *DTYPES):
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    kind = getattr(torch, dtype or "float32")
    files = [] if init == "random" else weight_files(source.name, source.folder)
    config, tokenizer = _read_config(source, family, facts), _read_tokenizer(source, family)
    if init == "random":
        with one_line(source.name):
            network = _random(family, config, kind, seed)
        return LoadedModel(source.name, None, family, _moved(network, device).eval(), tokenizer, init, seed)
    commit = source.commit or f"sha256:{content_digest(files)}"
    network = _moved(filled(source.name, files, family, config, kind), device)
    return LoadedModel(source.name, commit, family, network, tokenizer)


def model_digest(model: str | os.PathLike[str], revision: str | None = None) -> str:
    """SHA-256 of every file of a model that is read, with the commit of a hub id: what its runs depend on.

    Takes config, tokenizer, and the weights through their index; hub ids are fetched. Raises the ValueError that
    `load` would raise before it reads the weights. Cost: reads the weights once.
    """
    source = find(model, revision)
    family = _family(read_json(source.name, source.folder / CONFIG).get("model_type"), source.name)
    if family.reads == "text":
        tokenizer_files(source.name, source.folder)
    return source_digest(source)


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


def _family(model_type: Any, name: str) -> Family:
    if not (isinstance(model_type, str) and model_type in FAMILIES):
        raise ValueError(
            f"{name} is of the family {model_type!r}, which is not known: give a model among {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]


def _read_config(source: Source, family: Family, facts: dict[str, Any]) -> Any:
    """The config, of which only config.json is read."""
    import transformers

    if "quantization_config" in facts:
        raise ValueError(
            f"{source.name} is quantised, and its weights are no plain numbers: give the model that it was made from"
        )
    with one_line(source.name):
        config = getattr(transformers, family.architecture).config_class.from_dict(facts)
    config.name_or_path = str(source.folder)
    return config


def _read_tokenizer(source: Source, family: Family) -> Any:
    import transformers

    if family.reads == "image":
        return None
    tokenizer_files(source.name, source.folder)
    with one_line(source.name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False
        )
        if not isinstance(tokenizer, transformers.PreTrainedTokenizerBase):
            raise TypeError(f"{type(tokenizer).__name__} is no tokenizer of one model")
    return tokenizer


def _moved(model: torch.nn.Module, device: str | None) -> torch.nn.Module:
    try:
        return model.to(device or "cpu")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: give device='cpu'") from error
