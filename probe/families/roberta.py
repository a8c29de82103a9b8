"""RoBERTa: BERT's blocks; the places of tokens are counted from behind that of the padding token."""

from dataclasses import replace
from typing import Any

from .bert import FAMILY as BERT


def behind_padding(config: Any) -> int:
    """The first places of the table of positions belong to no token of a text."""
    return config.max_position_embeddings - config.pad_token_id - 1


FAMILY = replace(BERT, name="roberta", positions=behind_padding)
