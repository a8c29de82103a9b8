"""GPT-2: causal, pre-LN. The last state is the output of the last block, before the final norm ``ln_f``."""

from typing import Any

from torch import nn

from .family import Family


def _sites(model: Any) -> list[nn.Module]:
    return [model.drop, *model.h]


def _attentions(model: Any) -> list[nn.Module]:
    return [block.attn for block in model.h]


def _readable(tokenizer: Any, token: str) -> str:
    """Tokens are written in a byte alphabet, where Ġ is a space; a part of a character decodes to U+FFFD."""
    return tokenizer.convert_tokens_to_string([token])


GPT2 = Family(
    name="gpt2",
    architecture="GPT2Model",
    scheme="pre",
    causal=lambda config: True,
    sites=_sites,
    attentions=_attentions,
    readable=_readable,
)
