"""Read the trajectory of the tokens of one text through the layers of a transformer."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from probe.models import LoadedModel, load, quiet
from probe.prompts import prompts
from sim.trajectory import Trajectory

FRAMES = ("raw", "layernorm")
GIBIBYTE = 2**30


def extract(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    text: str,
    frame: str = "raw",
    attention: bool = False,
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    max_tokens: int | None = None,
    memory_limit: int = 8 * GIBIBYTE,
) -> Trajectory:
    """The states of all n tokens of a text at depths 0 to L of a transformer with L blocks, as unit points.

    One forward pass without padding, in evaluation mode, read by forward hooks:

    | depth | GPT-2 (pre-LN) | BERT (post-LN) | ALBERT (post-LN) | shape |
    |---|---|---|---|---|
    | 0 | sum of token and position embedding | normed embedding | embedding, mapped to d | (n, d) |
    | l | residual after block l | output of block l | output after l uses of the shared layer | (n, d) |
    | L | residual after the last block, before ``ln_f`` | output of block L | after L uses | (n, d) |
    | attention at l < L | rows of block l + 1 | the same | the same | (heads, n, n) |

    A state x becomes the point theta = y / |y|, where the frame says what y is:

    - ``"raw"``: y = x, as the post does.
    - ``"layernorm"``: the sphere on which the model attends. Where no norm made x (GPT-2, and depth 0 of ALBERT), y is
      x less the mean of its entries; the norm of GPT-2 that reads x then gives
      sqrt(d) gain theta s + bias with s = |y| / sqrt(|y|^2 + d eps). Where a norm made x (BERT, ALBERT), y is x with
      that norm's gain and bias undone, so that x = gain |y| theta + bias, and |y| = sqrt(d) s with the same s. It
      is taken from what enters the norm, not by division: trained gains reach 0, and even then theta is exact.
      Each theta is orthogonal to the all-ones vector.

    Arguments
    ---------
    model: a name of `models()`, a local folder, a Hugging Face hub id, or a pair (model, tokenizer) of transformers.
        The families are GPT-2, BERT and ALBERT. Of safetensors only; only hub ids go to the network.
    text: one text. Every token is kept; those that the tokenizer added are marked in ``special``. GPT-2 adds none.
    frame: ``"raw"`` or ``"layernorm"``.
    attention: whether to keep the attention rows; needs the model's eager attention, which `extract` itself loads.
    revision: commit, tag or branch of a hub id.
    dtype: of the model: float32 (where not given), float64, bfloat16 or float16. Not for a loaded model.
    device: a torch device, ``"cpu"`` where not given. Not for a loaded model.
    max_tokens: keep the first tokens only, so that there are at most this many, added ones included; all where not
        given.
    memory_limit: bytes that one extraction may take, without the weights.

    Returns
    -------
    `sim.Trajectory` on the axis ``"layer"``: ``points`` (L + 1, n, d) float64; ``norms`` (L + 1, n), the lengths
    |y| > 0; ``attention`` (L + 1, heads, n, n) float32, rows summing to 1, NaN at depth L, which no block reads;
    ``tokens``, the characters that each stands for (## goes on with a word in BERT). ``provenance`` says what made
    it; its ``scheme`` is ``"pre"`` or ``"post"``, and it names the prompt where the text is one of `prompts()`.

    Raises
    ------
    ValueError: a model that cannot be had (see `models()`), an unknown frame, a text without a token, longer than
    the model takes or over the memory limit, tokens that the model does not know, states that are not finite.

    Cost: one forward pass, O(L (n d^2 + n^2 d)) time; 8 (L + 1) n d bytes, and 4 (L + 1) heads n^2 for attention.

    Source: the post (hidden states projected to the sphere). It reads GPT-2's last state behind ``ln_f``; we do not.
    Schemes as in 2510.22026.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {', '.join(FRAMES)}, got {frame!r}")
    loaded = load(model, revision=revision, dtype=dtype, device=device)
    ids, special = _tokenise(loaded, text, max_tokens)
    blocks = len(loaded.family.attentions(loaded.model))
    _check_memory(loaded, len(ids), blocks, attention, memory_limit)
    points, norms, rows = _read(loaded, ids, frame, attention)
    names = loaded.tokenizer.convert_ids_to_tokens(ids)
    return Trajectory(
        points=points,
        depth=np.arange(blocks + 1),
        axis="layer",
        norms=norms,
        tokens=[loaded.family.readable(loaded.tokenizer, name) for name in names],
        special=special,
        attention=rows,
        provenance={
            **_provenance(loaded, text),
            "frame": frame,
            "token_count": len(ids),
            "max_tokens": max_tokens,
        },
    )


def _tokenise(loaded: LoadedModel, text: str, max_tokens: int | None) -> tuple[list[int], np.ndarray]:
    """Token ids, and which of them the tokenizer added."""
    tokenizer, config = loaded.tokenizer, loaded.model.config
    added = tokenizer.num_special_tokens_to_add()
    if max_tokens is not None and max_tokens <= added:
        raise ValueError(
            f"max_tokens must be above the {added} tokens that the tokenizer adds, got {max_tokens}"
        )
    with quiet():
        encoded = tokenizer(
            text, truncation=max_tokens is not None, max_length=max_tokens, return_special_tokens_mask=True
        )
    ids, special = encoded["input_ids"], np.asarray(encoded["special_tokens_mask"], bool)
    if special.all():
        raise ValueError(f"the text {text[:20]!r} has no token: give at least one word")
    if len(ids) > config.max_position_embeddings:
        raise ValueError(
            f"the text has {len(ids)} tokens, but {loaded.name} takes {config.max_position_embeddings}: "
            f"shorten it or pass max_tokens={config.max_position_embeddings}"
        )
    if max(ids) >= config.vocab_size:
        raise ValueError(
            f"the tokenizer gives token {max(ids)}, but {loaded.name} knows {config.vocab_size} only: "
            "give the tokenizer that the model was trained with"
        )
    return ids, special


def _check_memory(loaded: LoadedModel, tokens: int, blocks: int, attention: bool, limit: int) -> None:
    """Points with one copy while they are checked; attention; the working set of one block."""
    config = loaded.model.config
    width, heads = config.hidden_size, config.num_attention_heads
    states = 2 * 8 * (blocks + 1) * tokens * width
    rows = 4 * (blocks + 1) * heads * tokens**2 if attention else 0
    working = loaded.model.dtype.itemsize * (16 * tokens * width + 3 * heads * tokens**2)
    needed = states + rows + working
    if needed > limit:
        raise ValueError(
            f"{tokens} tokens of {loaded.name} need about {needed / GIBIBYTE:.3g} GiB, over the memory_limit of "
            f"{limit / GIBIBYTE:.3g} GiB: {'leave attention out, ' if attention else ''}lower max_tokens or raise "
            "memory_limit"
        )


def _read(
    loaded: LoadedModel, ids: list[int], frame: str, attention: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Points, lengths and attention rows of one forward pass, taken over while it runs."""
    model, family = loaded.model, loaded.family
    sites, readers = family.sites(model), family.attentions(model)
    tokens, width, heads = len(ids), model.config.hidden_size, model.config.num_attention_heads
    points, norms = np.empty((len(sites), tokens, width)), np.empty((len(sites), tokens))
    rows = np.full((len(sites), heads, tokens, tokens), np.nan, np.float32) if attention else None

    def keep_state(depth: int, site: nn.Module, inputs: Any, output: Any) -> None:
        vectors = _in_frame(frame, site, inputs, output if isinstance(output, torch.Tensor) else output[0])
        norms[depth] = np.linalg.norm(vectors, axis=-1)
        if not (np.isfinite(norms[depth]).all() and norms[depth].all()):
            raise ValueError(
                f"{loaded.name} has a state of length 0, infinity or NaN at depth {depth}: try dtype='float32' or "
                "check its weights"
            )
        points[depth] = vectors / norms[depth][:, None]

    def keep_rows(depth: int, reader: nn.Module, inputs: Any, output: Any) -> None:
        if output[1] is None:
            raise ValueError(
                f"{loaded.name} gives no attention rows under {model.config._attn_implementation!r} attention: "
                "load it with attn_implementation='eager'"
            )
        rows[depth] = output[1][0].float().cpu().numpy()  # pyright: ignore[reportOptionalSubscript]

    inputs = torch.tensor([ids], device=model.device)
    with (
        torch.inference_mode(),
        quiet(),
        _in_order(sites, keep_state),
        _in_order(readers if attention else [], keep_rows),
    ):
        model(input_ids=inputs, attention_mask=torch.ones_like(inputs), use_cache=False)
    return points, norms, rows


@contextmanager
def _in_order(modules: list[nn.Module], keep: Callable[[int, nn.Module, Any, Any], None]) -> Iterator[None]:
    """Call `keep(place, module, inputs, output)` as each module fires, and demand that they fire in this order.

    A shared module has one hook and many places, so a hook that fires too often, too seldom or out of turn is an
    error and never a wrong trajectory.
    """
    fired = 0

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal fired
        if fired == len(modules) or modules[fired] is not module:
            raise RuntimeError(
                f"{type(module).__name__} fired out of turn, as call {fired + 1} of {len(modules)}"
            )
        keep(fired, module, inputs, output)
        fired += 1

    handles = [module.register_forward_hook(hook) for module in dict.fromkeys(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if fired != len(modules):
        raise RuntimeError(
            f"{fired} of {len(modules)} hooks fired: this version of transformers is not known"
        )


def _float64(batch: Float[torch.Tensor, "1 token dim"]) -> Float[np.ndarray, "token dim"]:
    return batch[0].cpu().double().numpy()


def _in_frame(
    frame: str, site: nn.Module, inputs: Any, state: Float[torch.Tensor, "1 token dim"]
) -> Float[np.ndarray, "token dim"]:
    """The vectors y of `extract`: from what enters the norm that makes the state, or else from the state."""
    if frame == "raw":
        return _float64(state)
    if isinstance(site, nn.LayerNorm):
        centred = _centred(_float64(inputs[0]))
        return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + site.eps)
    return _centred(_float64(state))


def _centred(vectors: Float[np.ndarray, "token dim"]) -> Float[np.ndarray, "token dim"]:
    return vectors - vectors.mean(axis=-1, keepdims=True)


def _provenance(loaded: LoadedModel, text: str) -> dict[str, Any]:
    config, digest = loaded.model.config, hashlib.sha256(text.encode()).hexdigest()
    return {
        "instrument": "probe.extract",
        "model": loaded.name,
        "revision": loaded.revision,
        "family": loaded.family.name,
        "scheme": loaded.family.scheme,
        "causal": loaded.family.causal(config),
        "blocks": len(loaded.family.attentions(loaded.model)),
        "heads": config.num_attention_heads,
        "width": config.hidden_size,
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "device": loaded.model.device.type,
        "versions": dict(_versions()),
        "prompt": next((name for name, prompt in prompts().items() if prompt.sha256 == digest), None),
        "text_sha256": digest,
    }


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("metasphere", "torch", "transformers")}
