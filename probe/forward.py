"""One forward pass of a model, its states and attention rows taken over by hooks while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from probe.calls import quiet
from probe.inputs import Inputs
from probe.loading import LoadedModel


class Reading(NamedTuple):
    """points, norms, attention: as in `sim.Trajectory`. lengths: those of the states themselves, in any frame."""

    points: Float[np.ndarray, "depth token dim"]
    norms: Float[np.ndarray, "depth token"]
    attention: Float[np.ndarray, "depth head token token"] | None
    lengths: Float[np.ndarray, "depth token"]


@contextmanager
def applied(loaded: LoadedModel, iterations: int | None) -> Iterator[None]:
    """Inside, a model that applies one block again and again applies it `iterations` times."""
    config = loaded.model.config
    if iterations is not None and not loaded.family.iterates(config):
        raise ValueError(
            f"iterations needs a model that applies one block again and again, such as ALBERT, got {loaded.name}: "
            "leave iterations out"
        )
    if iterations is not None and iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    native = config.num_hidden_layers
    config.num_hidden_layers = native if iterations is None else iterations
    try:
        yield
    finally:
        config.num_hidden_layers = native


def read(
    loaded: LoadedModel, inputs: Inputs, frame: str, attention: bool, sublayers: bool, causal: bool
) -> Reading:
    """Run the model once; each state becomes unit points as soon as it appears."""
    model, family = loaded.model, loaded.family
    sites = family.states(model)
    if sublayers:
        pairs = zip(family.sublayers(model), sites[1:])
        sites = [sites[0], *chain.from_iterable(pairs)]
    readers = family.attentions(model) if attention else []
    tokens, width, heads = len(inputs.tokens), model.config.hidden_size, model.config.num_attention_heads
    points = np.empty((len(sites), tokens, width))
    norms, lengths = np.empty((2, len(sites), tokens))
    rows = np.empty((len(sites), heads, tokens, tokens), np.float32) if attention else None
    stride = 2 if sublayers else 1

    def keep_state(place: int, module: nn.Module, given: Any, made: Any) -> None:
        site, vectors = sites[place], points[place]
        _copy(_first(given if site.end == "input" else made), vectors)
        lengths[place] = norms[place] = _lengths(vectors)
        if frame != "raw":
            if site.end == "output" and isinstance(module, nn.LayerNorm):
                _copy(_first(given), vectors)
                _standardise(vectors, module.eps)
            else:
                _centre(vectors)
            norms[place] = _lengths(vectors)
        if not (np.isfinite(norms[place]).all() and norms[place].all()):
            raise ValueError(
                f"{loaded.name} has a state of length 0, infinity or NaN at depth {place / stride:g}: "
                "try dtype='float32' or check its weights"
            )
        vectors /= norms[place][:, None]

    def keep_rows(place: int, module: nn.Module, given: Any, made: Any) -> None:
        if made[1] is None:
            raise ValueError(
                f"{loaded.name} gives no attention rows under {model.config._attn_implementation!r} attention: "
                "load it with attn_implementation='eager'"
            )
        weights = made[1][0].float()
        if made[1].dtype.itemsize < 4:  # rows rounded to half precision miss 1 by a thousandth
            weights = weights / weights.sum(-1, keepdim=True)
        np.copyto(rows[stride * place], weights.cpu().numpy())  # pyright: ignore[reportOptionalSubscript]

    with (
        torch.inference_mode(),
        quiet(),
        _in_order([site.module for site in sites], keep_state),
        _in_order(readers, keep_rows),
    ):
        model(**inputs.arguments, **_mask(loaded, tokens, causal))
    if rows is not None:  # no attention reads the states at half depths, nor the last one
        unread = slice(1, None, 2) if sublayers else slice(-1, None)
        rows[unread], rows[-1] = np.nan, np.nan
    return Reading(points, norms, rows, lengths)


def _mask(loaded: LoadedModel, tokens: int, causal: bool) -> dict[str, Any]:
    """The model's own mask, made by itself, or the other one, added to its logits."""
    model, family = loaded.model, loaded.family
    given: dict[str, Any] = {} if family.reads == "image" else {"use_cache": False}
    if causal == family.causal(model.config):
        return given
    hidden = torch.finfo(model.dtype).min if causal else 0.0
    added = torch.full((tokens, tokens), hidden, dtype=model.dtype, device=model.device).triu(1)
    return {**given, "attention_mask": added[None, None]}


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


def _first(value: Any) -> Float[torch.Tensor, "1 token dim"]:
    return value if isinstance(value, torch.Tensor) else value[0]


def _copy(batch: Float[torch.Tensor, "1 token dim"], vectors: Float[np.ndarray, "token dim"]) -> None:
    """Into float64, without an array in between that every state would allocate anew."""
    torch.from_numpy(vectors).copy_(batch[0])


def _lengths(vectors: Float[np.ndarray, "token dim"]) -> Float[np.ndarray, " token"]:
    """Without the temporary array of squares of `numpy.linalg.norm`, which costs more than the sums."""
    return np.sqrt(np.einsum("td,td->t", vectors, vectors))


def _centre(vectors: Float[np.ndarray, "token dim"]) -> None:
    vectors -= vectors.mean(axis=-1, keepdims=True)


def _standardise(vectors: Float[np.ndarray, "token dim"], epsilon: float) -> None:
    """What a layer norm makes of its input before gain and bias."""
    _centre(vectors)
    vectors /= np.sqrt(_lengths(vectors)[:, None] ** 2 / vectors.shape[-1] + epsilon)
