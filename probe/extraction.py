"""Read the trajectory of the tokens of one text through the layers of a transformer."""

import os
from collections.abc import Collection
from functools import cache
from importlib.metadata import version
from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from probe.forward import Reading, applied, read
from probe.inputs import Inputs, image_inputs, text_inputs
from probe.loading import LoadedModel, load
from sim.trajectory import Trajectory

FRAMES = ("raw", "layernorm", "read")
GIBIBYTE = 2**30
SINK_RATIO = 4


def extract(
    model: "str | os.PathLike[str] | LoadedModel | tuple[torch.nn.Module, object]",
    text: str | Float[np.ndarray, "channel height width"],
    frame: str = "raw",
    attention: bool = False,
    *,
    sublayers: bool = False,
    iterations: int | None = None,
    init: str = "trained",
    seed: int = 0,
    initializer_range: float | None = None,
    control: str | None = None,
    causal: bool | None = None,
    silenced: Collection[int] = (),
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    max_tokens: int | None = None,
    memory_limit: int = 8 * GIBIBYTE,
) -> Trajectory:
    """The states of all n tokens of a text at depths 0 to L of a transformer with L blocks, as unit points.

    One forward pass without padding, in evaluation mode, read by forward hooks:

    | depth | pre-LN (GPT-2, Llama, Gemma, ViT) | post-LN (BERT, DistilBERT) | ALBERT (post-LN) | shape |
    |---|---|---|---|---|
    | 0 | sum of the embeddings | normed embedding | embedding, mapped to d | (n, d) |
    | l - 1/2, with `sublayers` | residual after attention of block l | normed sum with attention | the same | (n, d) |
    | l | residual after block l | output of block l | output after l uses of the shared layer | (n, d) |
    | L | residual after the last block, before the final norm | output of block L | after L uses | (n, d) |
    | attention at l < L | rows of block l + 1 | the same | the same | (heads, n, n) |

    Where these are is found in the model itself, by one pass over a few tokens that also checks that its blocks add up
    (`probe.structure`), so any transformer can be read whose blocks are attention and feed-forward part around one
    state: one after the other or side by side, with norms before, behind or around them.

    A state x becomes the point theta = y / |y|, where the frame says what y is:

    - ``"raw"``: y = x, as the post does.
    - ``"layernorm"``: the sphere on which the model attends. Where no norm made x (pre-LN, and depth 0 of ALBERT), y
      is x less the mean of its entries; the norm that reads x then gives sqrt(d) gain theta s + bias with
      s = |y| / sqrt(|y|^2 + d eps). Where a norm made x (BERT, ALBERT), y is x with that norm's gain and bias
      undone, so that x = gain |y| theta + bias, and |y| = sqrt(d) s with the same s. It is taken from what enters
      the norm, not by division: trained gains reach 0, and even then theta is exact. Each theta is orthogonal to
      the all-ones vector. Where norms take no mean off (RMSNorm: Llama, Gemma, T5), y keeps its mean, so that in pre-LN
      models it is x itself, and theta has no such direction.
    - ``"read"``: y is the vector that the query, key and value matrices are given, gains and biases of the norm
      included: sqrt(d) gain theta s + bias in pre-LN models, with theta and s as above, x itself where a norm made x.
      At depth L, which no attention reads, that of the final norm; at half depths what the feed-forward part is given.

    Arguments
    ---------
    model: a name of `models()`, a local folder, a Hugging Face hub id, or a pair (model, tokenizer) of transformers.
        Of any family with attention that transformers knows; of safetensors only; only hub ids go to the network.
    text: one text; for models of images (ViT) an image instead, floats of shape (channel, height, width), resized and
        normalised as the model expects. Every token is kept; those that the tokenizer added are marked in ``special``.
        GPT-2 adds none; of an image, the class token is special and each patch is named by row and column.
    frame: ``"raw"``, ``"layernorm"`` or ``"read"``.
    attention: whether to keep the attention rows; needs the model's eager attention, which `extract` itself loads.
    sublayers: also keep the state between attention and feed-forward part, at the half-integer depths. Steps are
        then by turns attention, from l to l + 1/2, and feed-forward, from l + 1/2 to l + 1. They are states, not
        increments. A block whose two parts run side by side (Pythia, Falcon) has none.
    iterations: how many times a model with one shared block (ALBERT) applies it, in one pass; as trained where
        None. Beyond that number the block sees states that training never showed it.
    init: ``"trained"``, or ``"random"`` for weights drawn anew from the config (see `probe.loading.load`).
    seed: of the random weights and of the shuffling; one that is given and not needed has no effect.
    initializer_range: standard deviation of the random matrices; that of the config where None.
    control: ``"shuffled"``, the ordinary tokens in random order; ``"repeated"``, the first of them in the place of
        each; None for the text itself. Special tokens stay in place.
    causal: whether tokens see earlier ones only; the model's own mask where None. The other one is a counterfactual:
        BERT with a causal mask, GPT-2 without. What a block's own mask hides of earlier tokens (windows) stays hidden,
        and is then hidden of later ones too.
    silenced: blocks, from 0, whose feed-forward parts write nothing, biases included; all norms stay, so that with all
        of them `probe.dynamics.layer_by_layer` follows.
    revision: commit, tag or branch of a hub id.
    dtype: of the model: float32 (where not given), float64, bfloat16 or float16. Not for a loaded model.
    device: a torch device, ``"cpu"`` where not given. Not for a loaded model.
    max_tokens: keep the first tokens only, so that there are at most this many, added ones included; all where not
        given.
    memory_limit: bytes that one extraction may take, without the weights.

    Returns
    -------
    `sim.Trajectory` on the axis ``"layer"``, of D = L + 1 depths, or 2 L + 1 with `sublayers`: ``points`` (D, n, d)
    float64; ``norms`` (D, n), the lengths |y| > 0; ``attention`` (D, heads, n, n) float32, rows summing to 1, NaN at
    depth L and at half-integer depths, which no attention reads; ``tokens``, the characters that each stands for
    (## goes on with a word in BERT). ``provenance`` says what made it, and for the metrics:

    - ``scheme``, ``"pre"`` or ``"post"``, and ``epsilon``, that of the norms, from which s follows (not in the frame
      ``"read"``); ``centred``,
      whether they take the mean off; ``parallel``, whether attention and feed-forward part run side by side;
      ``output_norm``, whether what attention writes is normed before it is added (Gemma).
    - ``token_ids``: equal numbers are duplicates of one token.
    - ``sinks``: places of tokens whose state x is longer than 4 times the median of its depth at most depths; the
      first token of GPT-2 as a rule. Attention sinks of models whose norms level all lengths (post-LN) do not show.
      ``transient_sinks``: places where that is so at two depths in a row or more, but not at most; SmolLM2 has dozens.
    - ``initializer_range`` of random weights, and ``initializer_range_from``, who said so (see `probe.loading.load`);
      ``quantisation``, the types that the weights of a GGUF are rounded to.
    - ``prompt``: the name where the text is one of `prompts()`.

    Raises
    ------
    ValueError: a model that cannot be had (see `models()`) or is built otherwise, an unknown frame or control, a text
    without a token, longer than the model takes or over the memory limit, tokens that the model does not know, states
    that are not finite, rows that do not sum to 1, iterations of a model without a shared block, sublayers of one that
    has none, another mask for one that makes its own, a silenced block that the model does not have.

    Cost: one forward pass, O(L (n d^2 + n^2 d)) time; 8 D n d bytes, and 4 D heads n^2 for attention.

    Source: the post (hidden states projected to the sphere). It reads GPT-2's last state behind ``ln_f``, and its
    sublayer streams are increments; ours are not. Schemes as in 2510.22026.

    >>> import probe
    >>> run = probe.extract("albert-128", "tokens meet")
    >>> run.points.shape, run.tokens, run.axis
    ((13, 7, 128), ('[CLS]', 'to', 'k', 'ens', ' me', 'et', '[SEP]'), 'layer')
    """
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}, got {frame!r}")
    loaded = load(
        model,
        revision=revision,
        dtype=dtype,
        device=device,
        init=init,
        seed=seed,
        initializer_range=initializer_range,
    )
    inputs = _inputs(loaded, text, max_tokens, control, seed)
    masked = loaded.causal if causal is None else causal
    native = len(loaded.blocks)
    with applied(loaded, iterations):
        blocks = len(loaded.blocks)
        depth = np.arange(2 * blocks + 1) / 2 if sublayers else np.arange(blocks + 1)
        quiet_blocks = sorted(set(silenced))
        if not set(quiet_blocks) <= set(range(blocks)):
            raise ValueError(
                f"silenced must be blocks from 0 to {blocks - 1} of {loaded.name}, got {quiet_blocks}"
            )
        _check_memory(loaded, len(inputs.tokens), len(depth), attention, memory_limit)
        reading = read(loaded, inputs, frame, attention, sublayers, masked, quiet_blocks)
    return Trajectory(
        points=reading.points,
        depth=depth,
        axis="layer",
        norms=reading.norms,
        tokens=inputs.tokens,
        special=inputs.special,
        attention=reading.attention,
        provenance={
            **_provenance(loaded),
            **inputs.facts,
            "frame": frame,
            "token_count": len(inputs.tokens),
            **_sinks(reading),
            "control": control,
            "seed": seed if control == "shuffled" else loaded.seed,
            "causal": masked,
            "blocks": blocks,
            "native_blocks": native,
            "sublayers": sublayers,
            "silenced": quiet_blocks,
        },
    )


def _inputs(
    loaded: LoadedModel,
    text: str | Float[np.ndarray, "channel height width"],
    max_tokens: int | None,
    control: str | None,
    seed: int,
) -> Inputs:
    if not isinstance(text, str) and not hasattr(text, "shape"):
        raise ValueError(
            f"{loaded.name} reads one {loaded.reads}, got {type(text).__name__}: give one at a time"
        )
    reads = "text" if isinstance(text, str) else "image"
    if reads != loaded.reads:
        raise ValueError(f"{loaded.name} reads {loaded.reads}, got {reads}: give the other")
    if max_tokens is not None and not isinstance(max_tokens, Integral):
        raise ValueError(f"max_tokens must be a whole number, got {max_tokens!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if isinstance(text, str):
        return text_inputs(loaded, text, max_tokens, control, seed)
    if (max_tokens, control) != (None, None):
        raise ValueError("max_tokens and control are of texts: leave them out with an image")
    return image_inputs(loaded, text)


def _check_memory(loaded: LoadedModel, tokens: int, depths: int, attention: bool, limit: int) -> None:
    """Points with one copy while they are checked; attention; the working set of one block."""
    width, heads = loaded.structure.width, loaded.structure.heads
    states = 2 * 8 * depths * tokens * width
    rows = 4 * depths * heads * tokens**2 if attention else 0
    working = loaded.model.dtype.itemsize * (16 * tokens * width + 3 * heads * tokens**2)
    needed = states + rows + working
    if needed > limit:
        raise ValueError(
            f"{tokens} tokens of {loaded.name} need about {needed / GIBIBYTE:.3g} GiB, over the memory_limit of "
            f"{limit / GIBIBYTE:.3g} GiB: {'leave attention out, ' if attention else ''}lower max_tokens or raise "
            "memory_limit"
        )


def _sinks(reading: Reading) -> dict[str, list[int]]:
    """Tokens whose state is far longer than the median one of its depth: at most depths, or at a few in a row."""
    long = reading.lengths > SINK_RATIO * np.median(reading.lengths, axis=1, keepdims=True)
    most, twice = long.mean(axis=0) > 0.5, (long[1:] & long[:-1]).any(axis=0)
    return {"sinks": np.flatnonzero(most).tolist(), "transient_sinks": np.flatnonzero(twice & ~most).tolist()}


def _provenance(loaded: LoadedModel) -> dict[str, Any]:
    structure = loaded.structure
    return {
        "instrument": "probe.extract",
        "model": loaded.name,
        "revision": loaded.revision,
        "init": loaded.init,
        "quantisation": loaded.quantisation,
        "initializer_range": loaded.initializer_range,
        "initializer_range_from": loaded.initializer_range_from,
        "family": loaded.family.name,
        "scheme": structure.scheme,
        "epsilon": structure.epsilon,
        "centred": structure.centres,
        "parallel": structure.parallel,
        "output_norm": structure.output_norm,
        "heads": structure.heads,
        "width": structure.width,
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "device": loaded.model.device.type,
        "versions": dict(_versions()),
    }


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("metasphere", "torch", "transformers")}
