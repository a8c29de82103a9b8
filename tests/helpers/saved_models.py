"""Small models saved to folders, as `save_pretrained` writes them, and what is said where one is refused."""

import json

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

import probe


def save_small_bert(folder, **options):
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        transformers.BertForMaskedLM(config).save_pretrained(folder, **options)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "cat": 1, "sat": 2, "mat": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]").save_pretrained(
        folder
    )
    return folder


def refused(model, text="cat sat", **options):
    """The message of the ValueError, which is one line."""
    with pytest.raises(ValueError) as caught:
        probe.extract(model, text, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewrite(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
