"""Small models of three families with random weights far from their start, and tokenizers for them."""

from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

WORDS = "the river runs past mill and under old bridge while a heron waits for fish in slow water".split()  # noqa: SIM905
TEXT = "the old river runs slow and the heron waits under the bridge"
OTHER = "a fish in the mill water"
SHAPE = {"vocab_size": 160, "hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 24}
POST = {**SHAPE, "intermediate_size": 48, "hidden_act": "gelu"}


def make_tokenizer(family):
    if family == "gpt2":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(
            [" ".join(WORDS), TEXT], trainers.BpeTrainer(vocab_size=120, show_progress=False)
        )
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if family == "bert":
        pieces = [*WORDS, "##s", "##ing"]
        tokenizer = Tokenizer(
            models.WordPiece({p: i for i, p in enumerate(special + pieces)}, unk_token="[UNK]")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    else:
        pieces = ["▁" + word for word in WORDS]
        tokenizer = Tokenizer(
            models.WordLevel({p: i for i, p in enumerate(special + pieces)}, unk_token="[UNK]")
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def make_model(family: str, **changes: Any) -> Any:
    """A model with its task's head, whose weights, gains and biases are all random and far from their start."""
    if family == "gpt2":
        ends = {"bos_token_id": 0, "eos_token_id": 0}
        config = transformers.GPT2Config(**{**SHAPE, **ends, "num_hidden_layers": 3, **changes})
        made = transformers.GPT2LMHeadModel
    elif family == "bert":
        config = transformers.BertConfig(**{**POST, "num_hidden_layers": 3, **changes})
        made = transformers.BertForMaskedLM
    else:
        config = transformers.AlbertConfig(
            **{**POST, "num_hidden_layers": 4, "embedding_size": 16, **changes}
        )
        made = transformers.AlbertForMaskedLM
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(7)
        model = made._from_config(config, attn_implementation="eager")
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.eval()


def states_of(trajectory):
    return trajectory.points * trajectory.norms[..., None]
