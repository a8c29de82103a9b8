"""Transformers whose attention is the theory: GPT-2, BERT and ALBERT made on the fly, and read as any model is."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from scipy.linalg import helmert

from compare.calibration.clouds import directions, one_of
from compare.calibration.generator import Clouds, Generator, Shape, layers

if TYPE_CHECKING:
    from probe.loading import LoadedModel

BETAS = {2: (4, 9, 25, 100), 3: (4, 9, 25, 100), 8: (4, 9, 25)}
"""By dimension. At beta = 100 in 8 dimensions each of some dozens of tokens attends to itself, and nothing moves."""
BLOCKS = 12
STEP = 2.0
EPSILON = 1e-12


def theory_model(
    family: str, starts: Float[np.ndarray, "word d"], beta: float, blocks: int, step: float = STEP
) -> "LoadedModel":
    """A transformer of one head and no feed-forward part, with Q = K = V = I on the sphere that its attention reads.

    Norms without gain and bias give vectors of length sqrt(d + 1) whose entries add up to 0, a sphere in d dimensions;
    ``scipy.linalg.helmert(d + 1)`` is an orthonormal basis of theirs. In it word i of the vocabulary is embedded at
    starts[i], without positions. W_Q and W_K are the multiple of the identity that makes the logits beta <x_i, x_j>,
    W_V is the identity, and W_O a positive multiple of it, the length of a step along the flow of SA: with A what
    attention reads and N(x) = x/|x|, in units in which tokens have length 1 at the start,

        post-LN (BERT, ALBERT):  x <- N(x + step A(x)),
        pre-LN (GPT-2):          x <- x + step (1 + step)^l A(N(x)) in block l = 0, 1, ...,

    where lengths grow by 1 + step near consensus, so that each block is worth step/(1 + step) units of time there.
    GPT-2 keeps its causal mask.

    Arguments: family, "gpt2", "bert" or "albert"; starts, unit rows; beta > 0; blocks, of ALBERT uses of its one block;
    step > 0. `text` has the words. Nothing is random, nothing is read or written.
    """
    import torch
    import transformers

    from probe.loading import load

    vectors = starts @ helmert(starts.shape[1] + 1)
    words, width = vectors.shape
    config = transformers.AutoConfig.for_model(
        family,
        vocab_size=words,
        hidden_size=width,
        embedding_size=width,
        intermediate_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=1,
        max_position_embeddings=words,
        layer_norm_eps=EPSILON,
        layer_norm_epsilon=EPSILON,
        bos_token_id=None,
        eos_token_id=None,
    )
    empty = transformers.AutoModel.from_config(config, attn_implementation="eager").eval()
    loaded = load((empty, _tokenizer(words)))
    identity = torch.eye(width)
    with torch.no_grad():
        for parameter in empty.parameters():
            parameter.zero_()
        for module in empty.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight.fill_(1)
        empty.get_input_embeddings().weight.copy_(torch.from_numpy(np.sqrt(width) * vectors))
        if family == "albert":
            empty.encoder.embedding_hidden_mapping_in.weight.copy_(identity)
        for block, attention in enumerate(loaded.family.projections(loaded.model)):
            sharpness = np.sqrt(beta / (width * attention.scale))
            growth = (1 + step) ** block if loaded.structure.scheme == "pre" else 1
            attention.query.weight.copy_(sharpness * identity)
            attention.key.weight.copy_(sharpness * identity)
            attention.value.weight.copy_(identity)
            attention.output.weight.copy_(growth * step * identity)
    return loaded


def text(words: range) -> str:
    """The text that a model of `theory_model` reads as these words."""
    return " ".join(f"w{number}" for number in words)


def _tokenizer(words: int) -> Any:
    """Of the words of `text`, without special ones."""
    import tokenizers
    import transformers

    vocabulary = {text(range(number, number + 1)): number for number in range(words)}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="w0"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=plain)


def read_through(family: str, starts: Float[np.ndarray, "run token d"], beta: float) -> Clouds:
    """Texts of the words at `starts` through `BLOCKS` blocks of one model, each depth as `probe.extract` reads it."""
    from probe.extraction import extract

    runs, tokens, d = starts.shape
    model = theory_model(family, starts.reshape(-1, d), beta, BLOCKS)
    texts = [text(range(run * tokens, (run + 1) * tokens)) for run in range(runs)]
    read = [extract(model, each, frame="layernorm", attention=True) for each in texts]
    return Clouds(
        np.stack([run.points for run in read]) @ helmert(d + 1).T,
        layers(BLOCKS + 1),
        np.full(runs, beta),
        facts={name: read[0].provenance[name] for name in ("family", "scheme", "causal")},
        attention=np.stack([run.attention for run in read if run.attention is not None]),
    )


def at_random(random: np.random.Generator, shape: Shape, family: str) -> Clouds:
    """Uniform points on S^1, S^2 or S^7, at one of `BETAS`; as many depths as `BLOCKS` gives."""
    d = one_of(random, tuple(BETAS))
    starts = directions(random, shape.runs, shape.tokens, d)
    return read_through(family, starts, float(one_of(random, BETAS[d])))


MODELS = tuple(
    Generator(
        f"{family}_sa",
        f"a {family} network whose attention is SA",
        {"H1": "oracle", "H2": "oracle", "H4": "oracle"},
        partial(at_random, family=family),
    )
    for family in ("gpt2", "bert", "albert")
)
