"""What each checkpoint is and how it is trained: architecture, seed, phases."""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from probe.training.vocabulary import CLS, END, MASK, PAD, SEP, SIZE

POSITIONS = 512


@dataclass(frozen=True)
class Phase:
    """A stretch of training: the learning rate warms up, then goes linearly from rate to final_rate.

    Arguments:
        steps: number of optimiser steps.
        length: tokens in a window, special tokens included.
        batch: windows in a step.
        rate: learning rate after the warm-up.
        final_rate: learning rate at the last step (None: `rate`).
        warmup: steps over which the rate rises from zero at the start of this phase.
        blocks: depth in this phase (None: the full depth).
        left_neighbour: whether nothing is hidden in this phase and each position is asked for the token on its left.
        anywhere: whether each window begins at a random position of the model, so that short windows train all of
            its positions; at position 0 where not.
    """

    steps: int
    length: int
    batch: int
    rate: float
    final_rate: float | None = None
    warmup: int = 0
    blocks: int | None = None
    left_neighbour: bool = False
    anywhere: bool = False

    def rate_at(self, step: int) -> float:
        """Learning rate at a step of this phase, counted from 0."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        if self.final_rate is None:
            return self.rate
        done = (step - self.warmup) / max(1, self.steps - self.warmup - 1)
        return self.rate + (self.final_rate - self.rate) * done


@dataclass(frozen=True)
class Recipe:
    """One checkpoint: its family and shape, the seed of its weights and batches, and its phases.

    keep: names of steps at which a copy of the weights is kept beside the final one.
    mask_rate: share of positions that a masked model must predict (None: causal).
    spread: standard deviation of the initial weights.
    """

    family: str
    width: int
    heads: int
    seed: int
    spread: float
    phases: tuple[Phase, ...]
    blocks: int = 12
    mask_rate: float | None = None
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    keep: dict[str, int] = field(default_factory=dict)

    def model(self, blocks: int | None = None) -> PreTrainedModel:
        """A model with fresh weights (seed them before), of the full depth unless `blocks` says less."""
        blocks = blocks or self.blocks
        if self.family == "gpt2":
            return GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=SIZE,
                    n_positions=POSITIONS,
                    n_embd=self.width,
                    n_layer=blocks,
                    n_head=self.heads,
                    initializer_range=self.spread,
                    activation_function="gelu_pytorch_tanh",
                    resid_pdrop=0.0,
                    embd_pdrop=0.0,
                    attn_pdrop=0.0,
                    bos_token_id=END,
                    eos_token_id=END,
                    pad_token_id=PAD,
                )
            )
        config_type, model_type = {
            "bert": (BertConfig, BertForMaskedLM),
            "albert": (AlbertConfig, AlbertForMaskedLM),
        }[self.family]
        config = config_type(
            vocab_size=SIZE,
            hidden_size=self.width,
            num_hidden_layers=blocks,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            max_position_embeddings=POSITIONS,
            initializer_range=self.spread,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=PAD,
            bos_token_id=CLS,
            eos_token_id=SEP,
            **({"embedding_size": 128, "classifier_dropout_prob": 0.0} if self.family == "albert" else {}),
        )
        config.mask_token_id = MASK
        model = model_type(config)
        positions = model.base_model.embeddings.position_embeddings.weight
        with torch.no_grad():
            positions.copy_(2**0.5 * self.spread * sinusoids(*positions.shape))
        return model


def sinusoids(positions: int, width: int) -> Float[Tensor, "positions width"]:
    """Sine and cosine of position / 10000^(2 i / width), interleaved (1706.03762, section 3.5), values in [-1, 1]."""
    frequencies = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * frequencies[None, :]
    return torch.stack((angles.sin(), angles.cos()), dim=-1).reshape(positions, width)


# How the masked models begin: three blocks of what becomes the full depth, on short windows.
LEFT = Phase(350, length=32, batch=64, rate=2e-3, warmup=100, blocks=3, left_neighbour=True, anywhere=True)
SHORT = Phase(2150, length=32, batch=64, rate=2e-3, warmup=20, blocks=3, anywhere=True)
MIDDLE = Phase(900, length=64, batch=64, rate=1e-3, warmup=100, anywhere=True)

RECIPES = {
    "gpt2-128": Recipe(
        family="gpt2",
        width=128,
        heads=4,
        seed=1,
        spread=0.04,
        phases=(
            Phase(4000, length=128, batch=16, rate=2e-3, warmup=150),
            Phase(300, length=512, batch=8, rate=2e-3, final_rate=5e-5),
        ),
        keep={"initial": 0, "early": 400},
    ),
    "albert-128": Recipe(
        family="albert",
        width=128,
        heads=4,
        seed=2,
        spread=0.05,
        mask_rate=0.2,
        phases=(
            LEFT,
            SHORT,
            replace(MIDDLE, final_rate=5e-4),
            Phase(150, length=512, batch=8, rate=5e-4, final_rate=2e-5),
        ),
    ),
    "bert-128": Recipe(
        family="bert",
        width=128,
        heads=4,
        seed=3,
        spread=0.05,
        mask_rate=0.2,
        phases=(
            LEFT,
            SHORT,
            replace(MIDDLE, steps=400, blocks=6),
            replace(MIDDLE, steps=1100, rate=7e-4),
            Phase(150, length=512, batch=8, rate=7e-4, final_rate=2e-5),
        ),
    ),
    "albert-384": Recipe(
        family="albert",
        width=384,
        heads=12,
        seed=4,
        spread=0.03,
        mask_rate=0.2,
        phases=(
            replace(LEFT, steps=400, rate=1e-3),
            replace(SHORT, steps=850, rate=1e-3),
            replace(MIDDLE, steps=200, batch=32, rate=5e-4, warmup=50, blocks=6),
            replace(MIDDLE, steps=600, batch=32, rate=4e-4, warmup=50),
            Phase(100, length=512, batch=4, rate=4e-4, final_rate=2e-5),
        ),
    ),
}
