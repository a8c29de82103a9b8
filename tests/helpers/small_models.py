"""Small models with random weights far from their start, and tokenizers for them."""

from contextlib import contextmanager
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
_GROUPED = {**_ENDS, "num_key_value_heads": 1}
_GEMMA = {**_GROUPED, "head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 8}
_DECODER, _ENCODER = transformers.AutoModelForCausalLM, transformers.AutoModelForMaskedLM
# Names that a config has in the place of the usual ones are there too.
_FAMILIES: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "gpt2": (transformers.GPT2Config, _ENDS, _DECODER),
    "gpt_neox": (transformers.GPTNeoXConfig, _ENDS, _DECODER),
    "bert": (transformers.BertConfig, {"hidden_act": "gelu"}, _ENCODER),
    "albert": (transformers.AlbertConfig, {"hidden_act": "gelu", "embedding_size": 16}, _ENCODER),
    "vit": (transformers.ViTConfig, _IMAGE_SHAPE, transformers.AutoModelForImageClassification),
    "llama": (transformers.LlamaConfig, _GROUPED, _DECODER),
    "mistral": (transformers.MistralConfig, {**_GROUPED, "sliding_window": 4}, _DECODER),
    "qwen2": (transformers.Qwen2Config, _GROUPED, _DECODER),
    "qwen3": (transformers.Qwen3Config, {**_GROUPED, "head_dim": 8}, _DECODER),
    "gemma2": (transformers.Gemma2Config, _GEMMA, _DECODER),
    "gemma3_text": (transformers.Gemma3TextConfig, {**_GEMMA, "layer_types": None}, _DECODER),
    "phi3": (transformers.Phi3Config, {**_GROUPED, "pad_token_id": 0}, _DECODER),
    "olmo2": (transformers.Olmo2Config, {**_ENDS, "pad_token_id": 0}, _DECODER),
    "gpt_neo": (
        transformers.GPTNeoConfig,
        {**_ENDS, "num_layers": 3, "attention_types": [[["global", "local", "global"], 1]], "window_size": 4},
        _DECODER,
    ),
    "gptj": (transformers.GPTJConfig, {**_ENDS, "rotary_dim": 4, "n_inner": 40}, _DECODER),
    "opt": (transformers.OPTConfig, {**_ENDS, "ffn_dim": 40, "word_embed_proj_dim": WIDTH}, _DECODER),
    "bloom": (transformers.BloomConfig, _ENDS, _DECODER),
    "falcon": (transformers.FalconConfig, _ENDS, _DECODER),
    "roberta": (transformers.RobertaConfig, {}, _ENCODER),
    "xlm-roberta": (transformers.XLMRobertaConfig, {}, _ENCODER),
    "distilbert": (transformers.DistilBertConfig, {"hidden_dim": 40}, _ENCODER),
    "electra": (transformers.ElectraConfig, {"embedding_size": 16}, _ENCODER),
    "deberta-v2": (
        transformers.DebertaV2Config,
        {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 4},
        _ENCODER,
    ),
    "modernbert": (
        transformers.ModernBertConfig,
        {
            **{f"{name}_token_id": number for number, name in enumerate(("pad", "bos", "eos", "cls", "sep"))},
            "local_attention": 4,
            "global_attn_every_n_layers": 2,
        },
        _ENCODER,
    ),
    "t5": (transformers.T5Config, {"d_kv": 8, "d_ff": 40}, transformers.T5EncoderModel),
    "dinov2": (transformers.Dinov2Config, _IMAGE_SHAPE, transformers.AutoModelForImageClassification),
    "clip_vision_model": (
        transformers.CLIPVisionConfig,
        _IMAGE_SHAPE,
        transformers.CLIPVisionModelWithProjection,
    ),
}
FAMILIES = tuple(_FAMILIES)
OF_IMAGES = ("vit", "dinov2", "clip_vision_model")


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
    kept = ("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size")
    shape = {name: size for name, size in _TEXT_SHAPE.items() if family not in OF_IMAGES or name in kept}
    if epsilon is not None:
        changes["layer_norm_epsilon" if family == "gpt2" else "layer_norm_eps"] = epsilon
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        architecture: Any = headed if head or family == "t5" else transformers.AutoModel
        build = (
            architecture.from_config if hasattr(architecture, "from_config") else architecture._from_config
        )
        made = build(config(**{**shape, **own, **changes}), attn_implementation="eager")
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


@contextmanager
def written_by_attention(loaded):
    """Inside, what the attention of each block writes is appended to the list: the output of its last linear map."""
    written = []

    def keep(module, given, made):
        written.append(made[0].double().numpy())

    modules = {id(module.weight): module for module in loaded.model.modules() if hasattr(module, "weight")}
    layers = loaded.family.projections(loaded.model)
    handles = [modules[id(layer.output.weight)].register_forward_hook(keep) for layer in layers]
    try:
        yield written
    finally:
        for handle in handles:
            handle.remove()
