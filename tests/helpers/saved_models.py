"""Small models saved to folders, as `save_pretrained` writes them, and what is said where one is refused."""

import json

import pytest

import probe
from tests.helpers.small_models import saved, small_model, word_tokenizer


def save_small_bert(folder, **options):
    model = small_model("bert", head=True, vocab_size=8, num_hidden_layers=2)
    return saved(folder, model, word_tokenizer(["cat", "sat", "mat"]), **options)


def refused(model, text="cat sat", **options):
    """The message of the ValueError, which is one line."""
    with pytest.raises(ValueError) as caught:
        probe.extract(model, text, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewrite(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
