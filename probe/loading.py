"""Load a model: a registered name, a local folder, an id of the Hugging Face hub, or one already loaded."""

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from probe.architectures import architecture_of, options_of, refuse_crossed
from probe.calls import RefusalError, one_line, quiet
from probe.families import FAMILIES, Family, family_of
from probe.gguf_files import dequantised, header
from probe.model_files import content_digest, tokenizer_files, weight_files
from probe.sources import Source, find, source_digest
from probe.structure import Block, NotReadableError, Place, Structure, structure_of
from probe.weights import filled, stored

DTYPES = ("float32", "float64", "bfloat16", "float16")
INITS = ("trained", "random")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A bare model in evaluation mode with its tokenizer; give it to `extract` to read many texts.

    name: registered name, hub id or name of the folder. revision: commit of the hub, or ``sha256:`` and the digest
    of the weight files, or None for a model that was loaded elsewhere or drawn at random. tokenizer: None for a
    model that reads images. init: ``"trained"`` or ``"random"``; seed: of the random weights, else None. quantisation:
    the types that the weights of a GGUF are rounded to, that of most weights first; None for weights as they are.
    initializer_range: of random weights, the standard deviation of their matrices; None where trained, or where the
    family has no such number. initializer_range_from: who said so, ``"argument"``, ``"config"``, or ``"family"`` where
    the config says nothing (a GGUF never does), so that it may not be the one that training started from.
    """

    name: str
    revision: str | None
    family: Family
    model: Any
    tokenizer: Any
    init: str = "trained"
    seed: int | None = None
    quantisation: str | None = None
    initializer_range: float | None = None
    initializer_range_from: str | None = None

    @property
    def reads(self) -> str:
        """``"text"``, or ``"image"`` for pixel values."""
        return "image" if self.model.main_input_name == "pixel_values" else "text"

    @property
    def structure(self) -> Structure:
        """Where its states and rows are, found and checked once. Raises ValueError where it cannot be read."""
        try:
            return structure_of(self.model, self.family.blocks)
        except NotReadableError as error:
            raise RefusalError(f"{self.name} ({self.family.name}) cannot be read: {error}") from error

    @property
    def causal(self) -> bool:
        """Whether its tokens see earlier ones only."""
        return self.structure.causal

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its blocks as they are applied now (see `probe.forward.applied`)."""
        return self.structure.applied(self._order())

    def states(self) -> list[Place]:
        """The places of the states at depths 0 to L, as the blocks are applied now."""
        return self.structure.states(self._order())

    def _order(self) -> Sequence[torch.nn.Module] | None:
        return None if self.family.blocks is None else self.family.blocks(self.model)


def load(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    init: str = "trained",
    seed: int = 0,
    initializer_range: float | None = None,
) -> LoadedModel:
    """Load a model once, to read many texts with `extract`.

    Arguments
    ---------
    model: a name of `models()`; or a local folder as ``save_pretrained`` writes it; or a GGUF file, or a folder with
        one (needs the extra ``[gguf]``; its weights are rounded, which ``quantisation`` says); or an id of the Hugging
        Face hub, as ID or ID@REVISION; or a pair (model, tokenizer), with None for the tokenizer where the model reads
        images; or what this function returned, which passes through. A registered name goes before a folder of that
        name (write ``./gpt2`` for the folder), a folder before a hub id. Only a hub id goes to the network.
    revision: commit, tag or branch of a hub id; the main branch where not given.
    dtype: float32 (where not given), float64, bfloat16 or float16.
    device: a torch device; ``"cpu"`` where not given.
    init: ``"trained"``, or ``"random"`` for the untrained control: a new model made from the config alone, as at the
        first step of training. No trained tensor enters; of a folder, the weights are not even read. Every matrix
        and embedding is drawn anew for each seed. Gains of norms are 1 and all biases 0 in each of them, because that
        is how these families start, and so is the embedding of the padding token.
    seed: of the random weights.
    initializer_range: standard deviation of the random matrices, > 0; that of the config where None. What random
        weights do to tokens can hang on it alone, so try several.

    Only safetensors are read and no code that comes with a model is run, so that a model from anywhere is data.
    Attention is the eager one, whose rows can be read. Cost: reads the weights twice, once for their digest.

    The model is tried on 8 tokens: where its states and rows are is found, and its blocks must add up (`structure_of`).

    Raises ValueError for a model that is not found or not reachable, has no config, tokenizer or safetensors, is of
    a family that transformers does not know, has no attention or an encoder beside a decoder, or is quantised, or whose
    weights do not fill its config, or have tensors of the model itself (heads for a task aside) that its config has no
    place for; and for `revision`, `dtype` or `device` where they have no meaning.
    """
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}, got {init!r}")
    if initializer_range is not None and not (init == "random" and 0 < initializer_range < float("inf")):
        raise ValueError(
            f"initializer_range must be a number above 0, of random weights, got {initializer_range} with init={init!r}"
        )
    if isinstance(model, LoadedModel | tuple):
        if (revision, dtype, device) != (None, None, None):
            raise ValueError(
                "revision, dtype and device do not apply to a loaded model: set them where you load it"
            )
        loaded = model if isinstance(model, LoadedModel) else _adopt(*model)
        return checked(loaded if init == "trained" else _reinitialised(loaded, seed, initializer_range))
    source = find(model, revision)
    facts = source.facts()
    architecture = architecture_of(facts.get("model_type"), source.name)
    family = family_of(facts["model_type"])
    if dtype not in (None, *DTYPES):
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    kind = getattr(torch, dtype or "float32")
    files = (
        [] if init == "random" else [source.gguf] if source.gguf else weight_files(source.name, source.folder)
    )
    config, tokenizer = _read_config(source, architecture, facts), _read_tokenizer(source, architecture)
    if init == "random":
        config, spread, said = _spread(config, initializer_range, source.name, "initializer_range" in facts)
        with one_line(source.name):
            network = _moved(_random(architecture, config, kind, seed), device).eval()
        loaded = LoadedModel(source.name, None, family, network, tokenizer, init, seed)
        return checked(replace(loaded, initializer_range=spread, initializer_range_from=said))
    commit = source.commit or f"sha256:{content_digest(files)}"
    if source.gguf:
        tensors = dequantised(source.name, source.gguf, config, kind)
        quantisation = header(source.name, source.gguf).quantisation
    else:
        tensors, quantisation = stored(source.name, files), None
    network = _moved(filled(source.name, tensors, architecture, config, kind), device)
    return checked(LoadedModel(source.name, commit, family, network, tokenizer, quantisation=quantisation))


def checked(loaded: LoadedModel) -> LoadedModel:
    """The same model, once it has been found to be built as it is read. Raises ValueError where it is not."""
    refuse_crossed(loaded.model, loaded.name)
    with one_line(loaded.name):
        loaded.structure  # noqa: B018  found, checked and remembered
    return loaded


def model_digest(model: str | os.PathLike[str], revision: str | None = None) -> str:
    """SHA-256 of every file of a model that is read, with the commit of a hub id: what its runs depend on.

    Takes config, tokenizer, and the weights through their index; hub ids are fetched. Raises the ValueError that
    `load` would raise before it reads the weights. Cost: reads the weights once.
    """
    source = find(model, revision)
    facts = source.facts()
    if facts.get("model_type") not in FAMILIES:
        architecture_of(facts.get("model_type"), source.name)
    if not ("image_size" in facts or source.gguf):
        tokenizer_files(source.name, source.folder)
    return source_digest(source)


def _adopt(model: torch.nn.Module, tokenizer: Any) -> LoadedModel:
    """A model of transformers, with or without a head, that the caller has loaded."""
    config: Any = getattr(model, "config", None)
    kind = getattr(config, "model_type", None)
    if not isinstance(kind, str):
        raise ValueError(f"{type(model).__name__} is no model of transformers: give one, with its tokenizer")
    if model.training:
        raise ValueError(f"the {kind} model is in training mode, where dropout is on: call model.eval()")
    name = Path(config.name_or_path).name or kind
    return LoadedModel(name, None, family_of(kind), model.base_model, tokenizer)


def _reinitialised(loaded: LoadedModel, seed: int, initializer_range: float | None) -> LoadedModel:
    """The model that training would have started from, for this seed."""
    stated = loaded.quantisation is None
    config, spread, said = _spread(loaded.model.config, initializer_range, loaded.name, stated)
    network = _random(type(loaded.model), config, loaded.model.dtype, seed)
    return replace(
        loaded,
        model=network.to(loaded.model.device).eval(),
        revision=None,
        init="random",
        seed=seed,
        quantisation=None,
        initializer_range=spread,
        initializer_range_from=said,
    )


def _spread(
    config: Any, asked: float | None, name: str, stated: bool
) -> tuple[Any, float | None, str | None]:
    """The config with the range of random weights that is asked for; the range, and who said so."""
    own = getattr(config, "initializer_range", None)
    if asked is None:
        return config, own, None if own is None else "config" if stated else "family"
    if own is None:
        raise ValueError(
            f"{name} ({config.model_type}) draws its random weights by no initializer_range: leave it out"
        )
    config = copy.deepcopy(config)
    config.initializer_range = asked
    return config, asked, "argument"


def _random(architecture: Any, config: Any, dtype: torch.dtype, seed: int) -> Any:
    """A new model from the config; torch's own random state is left as it was."""
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architecture._from_config(
            config, attn_implementation="eager", dtype=dtype, **options_of(architecture)
        )


def _read_config(source: Source, architecture: Any, facts: dict[str, Any]) -> Any:
    """The config, of which only config.json is read."""
    if "quantization_config" in facts:
        raise ValueError(
            f"{source.name} is quantised, and its weights are no plain numbers: give the model that it was made from"
        )
    places = facts.get("position_embedding_type", "absolute")
    if places != "absolute" and not hasattr(architecture.config_class(), "position_embedding_type"):
        raise ValueError(
            f"{source.name} has position_embedding_type {places!r}, which this version of transformers does not read: "
            "its states would be others"
        )
    with one_line(source.name):
        config = architecture.config_class.from_dict(facts)
    config.name_or_path = str(source.folder)
    return config


def _read_tokenizer(source: Source, architecture: Any) -> Any:
    import transformers

    if architecture.main_input_name == "pixel_values":
        return None
    if source.gguf is None:
        tokenizer_files(source.name, source.folder)
    inside = {"gguf_file": source.gguf.name} if source.gguf else {}
    with one_line(source.name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False, **inside
        )
        if not isinstance(tokenizer, transformers.PreTrainedTokenizerBase):
            raise TypeError(f"{type(tokenizer).__name__} is no tokenizer of one model")
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ValueError(
            f"the tokenizer of {source.name} knows no word: its vocabulary is in a file of another kind than "
            f"{type(tokenizer).__name__} reads, so save tokenizer.json beside it with tokenizer.save_pretrained"
        )
    return tokenizer


def _moved(model: torch.nn.Module, device: str | None) -> torch.nn.Module:
    try:
        return model.to(device or "cpu")
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: give device='cpu'") from error
