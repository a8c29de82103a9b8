"""What a model is asked to predict: the next token (GPT-2) or hidden tokens (BERT, ALBERT)."""

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from transformers import PreTrainedModel

from probe.training.vocabulary import CLS, MASK, SEP, SIZE, SPECIAL

IGNORED = -100


def windows(
    tokens: Integer[np.ndarray, " count"], length: int, batch: int, generator: np.random.Generator
) -> Integer[np.ndarray, "batch length"]:
    """Windows that begin at uniformly drawn places of the token array."""
    starts = generator.integers(0, tokens.size - length, batch)
    return np.stack([tokens[start : start + length] for start in starts]).astype(np.int64)


def hide(
    inputs: Integer[np.ndarray, "batch length"], rate: float, generator: np.random.Generator
) -> tuple[Integer[np.ndarray, "batch length"], Integer[np.ndarray, "batch length"]]:
    """BERT's corruption: of the positions chosen with probability `rate`, 80 % become [MASK], 10 % a uniformly
    drawn token, 10 % stay; the first and the last position ([CLS], [SEP]) are never chosen.

    Returns:
        the corrupted inputs, and the labels: the true token at chosen positions, -100 elsewhere.

    Source: 1810.04805, section 3.1.
    """
    chosen = generator.random(inputs.shape) < rate
    chosen[:, [0, -1]] = False
    fate = generator.random(inputs.shape)
    noise = generator.integers(len(SPECIAL), SIZE, inputs.shape)
    corrupted = np.where(chosen & (fate < 0.8), MASK, np.where(chosen & (fate >= 0.9), noise, inputs))
    return corrupted, np.where(chosen, inputs, IGNORED)


def example(
    tokens: Integer[np.ndarray, " count"],
    mask_rate: float | None,
    length: int,
    batch: int,
    generator: np.random.Generator,
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
    """Inputs and labels (-100: not asked) of one training step.

    With a mask rate the inputs are [CLS] window [SEP], corrupted; without one the labels are the next tokens. With
    mask rate 0 nothing is hidden and each position is asked for its left neighbour, which teaches attention where
    to look before there is anything to guess.
    """
    if mask_rate is None:
        drawn = windows(tokens, length + 1, batch, generator)
        return torch.from_numpy(drawn[:, :-1].copy()), torch.from_numpy(drawn[:, 1:].copy())
    drawn = windows(tokens, length, batch, generator)
    drawn[:, 0], drawn[:, -1] = CLS, SEP
    if mask_rate == 0:
        labels = np.roll(drawn, 1, axis=1)
        labels[:, 0] = IGNORED
        return torch.from_numpy(drawn), torch.from_numpy(labels)
    inputs, labels = hide(drawn, mask_rate, generator)
    return torch.from_numpy(inputs), torch.from_numpy(labels)


def losses(
    model: PreTrainedModel,
    inputs: Int[Tensor, "batch length"],
    labels: Int[Tensor, "batch length"],
    offsets: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, " asked"]:
    """Cross-entropy in nats at each position whose label is not -100, in reading order.

    Each window begins at its own position of the model, `offsets`, at 0 where not given. The vocabulary is read out
    at the asked positions only, which saves most of its cost for masked models.
    """
    places = (
        None if offsets is None else offsets[:, None] + torch.arange(inputs.shape[1], device=inputs.device)
    )
    hidden = model.base_model(input_ids=inputs, position_ids=places).last_hidden_state
    asked = labels != IGNORED
    read_out = {"gpt2": "lm_head", "bert": "cls", "albert": "predictions"}[model.config.model_type]
    logits = getattr(model, read_out)(hidden[asked])
    return torch.nn.functional.cross_entropy(logits.float(), labels[asked], reduction="none")
