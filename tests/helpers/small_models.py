"""Small models with random weights far from their start, and tokenizers for them."""

from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

WORDS = "the river runs past mill and under old bridge while a heron waits for fish in slow water".split()  # noqa: SIM905
TEXT = "the old river runs slow and the heron waits under the bridge"
OTHER = "a fish in the mill water"
IMAGE = np.random.default_rng(2).standard_normal((1, 12, 12))

WIDTH, HEADS = 24, 3
_TEXT_SHAPE = {
    "vocab_size": 120,
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
}
_IMAGE_SHAPE = {"image_size": 12, "patch_size": 4, "num_channels": 1}
_ENDS = {"bos_token_id": 0, "eos_token_id": 0}
_FAMILIES: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "gpt2": (transformers.GPT2Config, _ENDS, transformers.AutoModelForCausalLM),
    "gpt_neox": (transformers.GPTNeoXConfig, _ENDS, transformers.AutoModelForCausalLM),
    "bert": (transformers.BertConfig, {"hidden_act": "gelu"}, transformers.AutoModelForMaskedLM),
    "albert": (
        transformers.AlbertConfig,
        {"hidden_act": "gelu", "embedding_size": 16},
        transformers.AutoModelForMaskedLM,
    ),
    "vit": (transformers.ViTConfig, _IMAGE_SHAPE, transformers.AutoModelForImageClassification),
}


def small_model(
    family: str,
    *,
    head: bool = False,
    shake: float = 0.2,
    seed: int = 5,
    closed_gain: bool = False,
    epsilon: float | None = None,
    **changes: Any,
) -> Any:
    """A new model of three blocks, every weight, gain and bias moved by `shake` times a normal number.

    head: with the head of its task. closed_gain: one gain of each norm is 0. epsilon: of all norms. changes: of the
    config.
    """
    config, own, headed = _FAMILIES[family]
    shape = {name: size for name, size in _TEXT_SHAPE.items() if family != "vit" or "position" not in name}
    if epsilon is not None:
        changes["layer_norm_epsilon" if family == "gpt2" else "layer_norm_eps"] = epsilon
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = (headed if head else transformers.AutoModel).from_config(
            config(**{**shape, **own, **changes}), attn_implementation="eager"
        )
        for name, parameter in made.named_parameters():
            parameter.add_(shake * torch.randn(parameter.shape))
            if closed_gain and "norm" in name.lower() and name.endswith("weight"):
                parameter[4] = 0
    return made.eval()


def word_tokenizer(words=WORDS, special: bool = False) -> PreTrainedTokenizerFast:
    """Whole words, 0 for all others; with `special`, between [CLS] and [SEP]."""
    ends = ["[CLS]", "[SEP]"] if special else []
    return _wrapped(_words(["[UNK]", *ends, *words]), special)


def saved(folder, model, tokenizer, **options):
    """The folder, with both in it; options go to the model's weights."""
    model.save_pretrained(folder, **options)
    tokenizer.save_pretrained(folder)
    return folder


def family_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """Of the kind that the family has: BPE of bytes, WordPiece, or words that carry their space."""
    if family == "gpt2":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(
            [" ".join(WORDS), TEXT], trainers.BpeTrainer(vocab_size=120, show_progress=False)
        )
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    if family == "bert":
        pieces = [*special, *WORDS, "##s", "##ing"]
        tokenizer = Tokenizer(models.WordPiece(_places(pieces), unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    else:
        tokenizer = _words([*special, *("▁" + word for word in WORDS)])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return _wrapped(tokenizer, True, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")


def _words(pieces: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(_places(pieces), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _places(pieces: list[str]) -> dict[str, int]:
    return {piece: place for place, piece in enumerate(pieces)}


def _wrapped(tokenizer: Tokenizer, special: bool, **names: str) -> PreTrainedTokenizerFast:
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", **names)


def states_of(trajectory):
    return trajectory.points * trajectory.norms[..., None]
