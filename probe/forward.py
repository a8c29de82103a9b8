"""One forward pass of a model, its states and attention rows taken over by hooks while it runs."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from probe.calls import quiet
from probe.inputs import Inputs
from probe.loading import LoadedModel
from probe.masks import masked, refusal
from probe.structure import Norm, Place, Site

ROW_SLACK = 1e-5  # of single precision: a sum of hundreds of terms
HALF_SLACK = 0.05


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
    loaded: LoadedModel,
    inputs: Inputs,
    frame: str,
    attention: bool,
    sublayers: bool,
    causal: bool,
    silenced: Collection[int] = (),
) -> Reading:
    """Run the model once; each state becomes unit points as soon as it appears."""
    model, structure, blocks = loaded.model, loaded.structure, loaded.blocks
    places = loaded.states()
    if sublayers:
        places = [places[0], *chain.from_iterable(zip(between(loaded), places[1:]))]
    other = causal != loaded.causal
    if (attention or other) and model.config._attn_implementation != "eager":
        raise ValueError(
            f"{loaded.name} gives no attention rows under {model.config._attn_implementation!r} attention: "
            "load it with attn_implementation='eager'"
        )
    readers = blocks if attention or other else ()
    tokens, width, heads = len(inputs.tokens), structure.width, structure.heads
    points = np.empty((len(places), tokens, width))
    norms, lengths = np.empty((2, len(places), tokens))
    stride = 2 if sublayers else 1
    rows = np.empty((len(places), heads, tokens, tokens), np.float32) if attention else None

    def keep_state(number: int, given: Any, made: Any) -> None:
        place, vectors = places[number], points[number]
        _copy(given if place.site.end == "input" else made, vectors)
        lengths[number] = _lengths(vectors)
        if frame == "read":
            if place.norm and not place.made:
                _standardise(vectors, place.norm.epsilon, place.norm.centres)
                gain, bias = affine(place.norm)
                vectors *= gain
                vectors += bias
        elif frame == "layernorm":
            if place.norm and place.made:
                _copy(given, vectors)
                _standardise(vectors, place.norm.epsilon, place.norm.centres)
            elif place.norm.centres if place.norm else structure.centres:
                _centre(vectors)
        norms[number] = _lengths(vectors)
        if not (np.isfinite(norms[number]).all() and norms[number].all()):
            raise ValueError(
                f"{loaded.name} has a state of length 0, infinity or NaN at depth {number / stride:g}: "
                "try dtype='float32' or check its weights"
            )
        vectors /= norms[number][:, None]

    @cache
    def affine(norm: Norm) -> list[np.ndarray]:
        return [part.numpy() for part in norm.affine(width)]

    def keep_rows(number: int, given: Any, made: Any) -> None:
        place = blocks[number].rows[1]
        weights = _rows(loaded, number, made if place is None else made[place])
        if other and causal == bool(weights.triu(1).any()):
            raise refusal(loaded)
        if rows is not None:
            np.copyto(rows[stride * number], weights.cpu().numpy())

    with (
        torch.inference_mode(),
        quiet(),
        masked(loaded, causal),
        _silent(loaded, silenced),
        _in_order([place.site for place in places], keep_state),
        _in_order([Site(block.rows[0]) for block in readers], keep_rows),
    ):
        model(**inputs.arguments, **(structure.asks if readers else {}))
    if rows is not None:  # no attention reads the states at half depths, nor the last one
        unread = slice(1, None, 2) if sublayers else slice(-1, None)
        rows[unread], rows[-1] = np.nan, np.nan
    return Reading(points, norms, rows, lengths)


@contextmanager
def _silent(loaded: LoadedModel, blocks: Collection[int]) -> Iterator[None]:
    """Inside, the feed-forward parts of some blocks write zeros; a shared block is told by how often it has run."""
    uses: dict[nn.Module, list[int]] = {}
    for number, block in enumerate(loaded.blocks):
        uses.setdefault(block.fed, []).append(number)
    turns = {module: iter(numbers) for module, numbers in uses.items()}

    def write(module: nn.Module, given: Any, made: Any) -> Any:
        number = next(turns[module], None)
        if number is None:
            raise RuntimeError(f"a feed-forward part of {loaded.name} fired more often than its blocks")
        if number not in blocks:
            return None
        if isinstance(made, torch.Tensor):
            return torch.zeros_like(made)
        return torch.zeros_like(made[0]), *made[1:]

    handles = [module.register_forward_hook(write) for module in uses] if blocks else []
    try:
        yield
        if blocks and any(next(turn, None) is not None for turn in turns.values()):
            raise RuntimeError(f"a feed-forward part of {loaded.name} fired less often than its blocks")
    finally:
        for handle in handles:
            handle.remove()


def between(loaded: LoadedModel) -> list[Place]:
    """The states between attention and feed-forward part. Raises ValueError where these run side by side."""
    places = [block.between for block in loaded.blocks if block.between]
    if len(places) < len(loaded.blocks):
        raise ValueError(
            f"{loaded.name} ({loaded.family.name}) runs attention and feed-forward part side by side, so no state "
            "stands between them: leave sublayers out"
        )
    return places


def _rows(loaded: LoadedModel, block: int, made: Float[torch.Tensor, "1 head query key"]) -> torch.Tensor:
    """Attention rows in single precision. Raises ValueError where they do not sum to 1."""
    weights = made[0].float()
    sums = weights.sum(-1, keepdim=True)
    half = made.dtype.itemsize < 4  # rows rounded to half precision miss 1 by a thousandth
    if not bool(((sums - 1).abs() <= (HALF_SLACK if half else ROW_SLACK)).all()):
        raise ValueError(
            f"the attention rows of block {block} of {loaded.name} do not sum to 1: check its weights"
        )
    return weights / sums if half else weights


@contextmanager
def _in_order(sites: Sequence[Site], keep: Callable[[int, Any, Any], None]) -> Iterator[None]:
    """Call `keep(number, input, output)` as each site is passed, and demand that they are passed in this order.

    At the input of a module there is no output yet. A shared module has one hook and many sites, so a hook that fires
    too often, too seldom or out of turn is an error and never a wrong trajectory.
    """
    fired = 0

    def passed(site: Site, given: Any, made: Any) -> None:
        nonlocal fired
        if fired == len(sites) or sites[fired] != site:
            raise RuntimeError(
                f"{type(site.module).__name__} fired out of turn, as call {fired + 1} of {len(sites)}"
            )
        keep(fired, given, made)
        fired += 1

    def hooked(site: Site) -> Any:
        if site.end == "input":
            return site.module.register_forward_pre_hook(
                lambda module, given, options: passed(site, _vectors(given, options), None), with_kwargs=True
            )
        return site.module.register_forward_hook(
            lambda module, given, options, made: passed(site, _vectors(given, options), made),
            with_kwargs=True,
        )

    handles = [hooked(site) for site in dict.fromkeys(sites)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if fired != len(sites):
        raise RuntimeError(f"{fired} of {len(sites)} hooks fired: this version of transformers is not known")


def _vectors(given: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The first tensor that a module takes."""
    return next((value for value in (*given, *options.values()) if isinstance(value, torch.Tensor)), None)


def _copy(given: Any, vectors: Float[np.ndarray, "token dim"]) -> None:
    """Into float64, without an array in between that every state would allocate anew."""
    batch = given if isinstance(given, torch.Tensor) else given[0]
    torch.from_numpy(vectors).copy_(batch.reshape(vectors.shape))


def _lengths(vectors: Float[np.ndarray, "token dim"]) -> Float[np.ndarray, " token"]:
    """Without the temporary array of squares of `numpy.linalg.norm`, which costs more than the sums."""
    return np.sqrt(np.einsum("td,td->t", vectors, vectors))


def _centre(vectors: Float[np.ndarray, "token dim"]) -> None:
    vectors -= vectors.mean(axis=-1, keepdims=True)


def _standardise(vectors: Float[np.ndarray, "token dim"], epsilon: float, centres: bool) -> None:
    """What a norm makes of its input before gain and bias."""
    if centres:
        _centre(vectors)
    vectors /= np.sqrt(_lengths(vectors)[:, None] ** 2 / vectors.shape[-1] + epsilon)
