"""Run the attention that a model has learned, without its feed-forward parts: layer by layer, or one layer for ever."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from probe.counterfactual import counterfactual as counterfactual
from probe.extraction import extract
from probe.forward import applied, between
from probe.learned_operators import operators
from probe.loading import LoadedModel, load
from probe.structure import Norm
from probe.structure.norms import described
from sim.attention import Attention
from sim.integration import simulate
from sim.precision import require_64_bit
from sim.sphere import normalise
from sim.trajectory import Trajectory

States = Float[np.ndarray, "token d"]


def layer_by_layer(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    text: str | Float[np.ndarray, "channel height width"],
    *,
    value: str | None = None,
    attention: bool = False,
    iterations: int | None = None,
    init: str = "trained",
    seed: int = 0,
    control: str | None = None,
    causal: bool | None = None,
    revision: str | None = None,
    dtype: str | None = None,
    max_tokens: int | None = None,
) -> Trajectory:
    """The model as a network of attention alone: what its feed-forward parts add is 0, and nothing else changes.

    From the model's own first state, with A what the attention of a block writes, its output bias included, and N
    the norms of the block with their gains and biases, a block is

        pre-LN (GPT-2, Llama, ViT):  x <- x + A(x), and in Gemma, whose attention is normed, x <- x + N_written(A(x)),
        post-LN (BERT, ALBERT):      x <- N_last(N_attention(x + A(x))).

    Both norms of a post-LN block stay. The next block reads what N_last makes, and gains that differ from entry to
    entry turn a token even where attention writes nothing. Left out are the feed-forward parts with their biases, in
    pre-LN models also the norm that only they read. Where this run parts from
    ``extract(model, text, frame="layernorm")``, they are the cause, up to the rounding of the model: sums here are in
    float64.

    Each block is one finite step, as in the model, and not a flow for some effective time. With x = r theta it turns
    a token by atan(|P A| / (r + <theta, A>)), so it is worth 1 / (r + <theta, A>) units of theta' = P A; but that time
    differs from token to token, and the gains between two blocks are no flow at all. `repeat` has the flow of a block.

    Arguments
    ---------
    model, text, iterations, init, seed, control, causal, revision, dtype, max_tokens: as of `extract`.
    value: a kind of `counterfactual`, done to the value matrices of every layer; the model's own where None. `seed`
        is also that of ``"spectrum shuffled"``, drawn anew for each layer that has weights of its own.
    attention: whether to keep the attention rows.

    Returns
    -------
    `sim.Trajectory` on the axis ``"layer"`` in the frame ``"layernorm"``: depths, norms, tokens, marks, rows and
    provenance as of `extract`, so that the two lie over each other; ``counterfactual`` is `value`, and ``sinks`` are
    those of the model's own run.

    Raises ValueError as `extract` and `operators` do, for an unknown kind, 32-bit JAX, and a state that is 0 or not
    finite. Cost: a forward pass of the model, and O(L (n d^2 + n^2 d)) in float64.
    """
    require_64_bit()
    loaded = load(model, revision=revision, dtype=dtype, init=init, seed=seed)
    chosen: dict[str, Any] = {"iterations": iterations, "causal": causal}
    reading = chosen | {"control": control, "seed": seed, "max_tokens": max_tokens}
    own = extract(loaded, text, "layernorm", **reading)
    fields = operators(loaded, tokens=len(own.tokens), **chosen)
    x, z = _first(loaded, text, own, reading)
    centres, epsilon = loaded.structure.centres, own.provenance["epsilon"]
    states, rows = [own.points[0] * own.norms[0][:, None]], []
    distinct = {id(field): layer for layer, field in enumerate(fields)}
    changed = {key: _changed(fields, layer, value, seed) for key, layer in distinct.items()}
    norms = zip(_output_norms(loaded, iterations), _norms(loaded, iterations))
    for own_field, (written, after) in zip(fields, norms):
        field = changed[id(own_field)]
        if attention:
            rows.append(np.asarray(field.weights(z), np.float32))
        added = np.asarray(field.attend(z))
        if written:
            added = _scaled(_shortened(added, written.epsilon, written.centres), written)
        x = x + added
        for norm in after:
            z = _shortened(x, norm.epsilon, norm.centres)
            x = _scaled(z, norm)
        if not after:
            z = _shortened(x, epsilon, centres)
        states.append(np.sqrt(x.shape[1]) * z if after else x)
    lengths = np.linalg.norm(states, axis=-1)
    sound = (np.isfinite(lengths) & (lengths > 0)).all(axis=1)
    if not sound.all():
        raise ValueError(
            f"{loaded.name} without its feed-forward parts has a state of length 0, infinity or NaN at depth "
            f"{np.argmin(sound)}: check its weights"
        )
    return replace(
        own,
        points=normalise(np.asarray(states)),
        norms=lengths,
        attention=np.stack([*rows, np.full_like(rows[0], np.nan)]) if attention else None,
        provenance=own.provenance
        | _counterfactual_facts(own, value, seed)
        | {"instrument": "probe.dynamics.layer_by_layer"},
    )


def repeat(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    text: str | Float[np.ndarray, "channel height width"],
    layer: int,
    times: ArrayLike,
    *,
    start: int = 0,
    value: str | None = None,
    attention: bool = False,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_steps: int = 100_000,
    throw: bool = True,
    iterations: int | None = None,
    init: str = "trained",
    seed: int = 0,
    control: str | None = None,
    causal: bool | None = None,
    revision: str | None = None,
    dtype: str | None = None,
    max_tokens: int | None = None,
) -> Trajectory:
    """The attention of one layer, frozen, as a flow: infinitely many infinitely small layers with the same weights.

    With r theta the state of a token in the frame ``"layernorm"`` and A what attention writes (`operators`),

        pre-LN (GPT-2, ViT):     (r theta)' = A(theta), from the model's own lengths r,
        post-LN (BERT, ALBERT):  theta' = P A(theta) / R on the unit sphere,

    so that to first order a unit of time is a layer: one of a post-LN model adds A to a residual of some length r, and
    1/R is the mean of 1/r over the tokens at the start. What gains that differ from entry to entry do to that residual
    by themselves is left out, as are the feed-forward parts. Attention reads unit vectors theta, where the model reads
    s theta (`probe.learned_operators.shortening`).

    This is ALBERT's own case, whose blocks are one: repeat its layer 1, as layer 0 reads the embedding, which no norm
    made and whose mean the frame leaves out.

    Arguments
    ---------
    model, text, iterations, init, seed, control, causal, revision, dtype, max_tokens: as of `extract`.
    layer: which one, from 0.
    times: increasing, in layers; the first one is the time of the start.
    rtol, atol, max_steps, throw, attention: as of `sim.simulate`.
    start: the depth of the model's own state that it starts from; 0, the embedding, unless given.
    value: a kind of `counterfactual`, done to the value matrix; the model's own where None, `seed` as there.

    Returns a `sim.Trajectory` on the axis ``"time"``: norms are r(t) for pre-LN models. Its provenance holds that of
    `extract` and of `simulate`, which ran theta' = P A(theta) for a time 1/R a layer; ``layer``, ``start``,
    ``counterfactual``, ``layer_time``, which is 1/R, or 1 for pre-LN models; and ``logit_scale``, the factor of
    <Q x, K x>. It has no ``beta``, which is not known for learned queries and keys.

    Raises ValueError as `layer_by_layer` and `simulate` do, and for a layer or start that the model does not have;
    RuntimeError as `simulate`. Cost: a forward pass of the model, and the steps of `simulate`.
    """
    require_64_bit()
    loaded = load(model, revision=revision, dtype=dtype, init=init, seed=seed)
    chosen: dict[str, Any] = {"iterations": iterations, "causal": causal}
    with applied(loaded, iterations):
        blocks = len(loaded.blocks)
    for name, place, last in (("layer", layer, blocks - 1), ("start", start, blocks)):
        if place not in range(last + 1):
            raise ValueError(f"{name} must be from 0 to {last} for {loaded.name}, got {place}")
    if loaded.structure.output_norm:
        raise ValueError(
            f"{loaded.name} norms what its attention writes, which is no flow of `sim`: use layer_by_layer"
        )
    reading = chosen | {"control": control, "seed": seed, "max_tokens": max_tokens}
    own = extract(loaded, text, "layernorm", **reading)
    fields = operators(loaded, tokens=len(own.tokens), **chosen)
    scheme = own.provenance["scheme"]
    field = replace(_changed(fields, layer, value, seed), norm=scheme)
    moments = np.asarray(times, np.float64)
    unit = 1.0 if scheme == "pre" else _layer_time(loaded, own, layer, start, iterations)
    run = simulate(
        field,
        own.points[start],
        unit * moments,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
        throw=throw,
        attention=attention,
        tokens=own.tokens,
        radii=own.norms[start] if scheme == "pre" else None,
    )
    facts = own.provenance | run.provenance | {"dtype": own.provenance["dtype"]}
    facts["versions"] = own.provenance["versions"] | run.provenance["versions"]
    facts |= _counterfactual_facts(own, value, seed) | {
        "instrument": "probe.dynamics.repeat",
        "layer": layer,
        "start": start,
        "logit_scale": facts.pop("beta"),
        "layer_time": unit,
    }
    return replace(run, depth=moments[: len(run.depth)], special=own.special, provenance=facts)


def _changed(fields: Sequence[Attention], layer: int, value: str | None, seed: int) -> Attention:
    """The field of a layer, with another value matrix where one is asked for; layers that share weights share it."""
    if value is None:
        return fields[layer]
    first = next(place for place, field in enumerate(fields) if field is fields[layer])
    return counterfactual(fields[layer], value, (seed, first))


def _counterfactual_facts(own: Trajectory, value: str | None, seed: int) -> dict[str, Any]:
    return {"counterfactual": value, "seed": own.provenance["seed"] if value is None else seed}


def _norms(loaded: LoadedModel, iterations: int | None) -> list[tuple[Norm, ...]]:
    """The norms between the attention of each block and that of the next, which make states; none in pre-LN models."""
    with applied(loaded, iterations):
        if loaded.structure.scheme == "pre":
            return [()] * len(loaded.blocks)
        pairs = zip(between(loaded), loaded.states()[1:])
        return [tuple(place.norm for place in pair if place.norm) for pair in pairs]


def _output_norms(loaded: LoadedModel, iterations: int | None) -> list[Norm | None]:
    """The norm of each block that what its attention writes passes before it is added."""
    with applied(loaded, iterations):
        layers = loaded.family.projections(loaded.model)
    width = loaded.structure.width
    return [described(layer.output_norm, width) if layer.output_norm else None for layer in layers]


def _first(
    loaded: LoadedModel,
    text: str | Float[np.ndarray, "channel height width"],
    own: Trajectory,
    chosen: dict[str, Any],
) -> tuple[States, States]:
    """The residual at depth 0, less its mean in pre-LN models, and z, what the first layer reads (`operators`)."""
    y = own.points[0] * own.norms[0][:, None]
    if own.provenance["scheme"] == "pre":
        return y, _shortened(y, own.provenance["epsilon"], loaded.structure.centres)
    first = loaded.structure.first
    if first.made and first.norm:
        z = y / np.sqrt(y.shape[1])
        return _scaled(z, first.norm), z
    raw = extract(loaded, text, "raw", **chosen)
    state = raw.points[0] * raw.norms[0][:, None]
    return state, state / np.sqrt(state.shape[1])


def _shortened(x: States, epsilon: float, centres: bool) -> States:
    """z, so that a norm makes sqrt(d) gain z + bias of x."""
    y = x - x.mean(axis=1, keepdims=True) if centres else x
    return y / np.sqrt(np.sum(y**2, axis=1, keepdims=True) + x.shape[1] * epsilon)


def _scaled(z: States, norm: Norm) -> States:
    gain, bias = (part.numpy() for part in norm.affine(z.shape[1]))
    return np.sqrt(z.shape[1]) * gain * z + bias


def _layer_time(
    loaded: LoadedModel, own: Trajectory, layer: int, start: int, iterations: int | None
) -> float:
    """Mean over tokens of 1/r, r the length of the residual that a post-LN layer would add to, less its mean."""
    with applied(loaded, iterations):
        place = loaded.states()[layer]
    x, norm = own.points[start], place.norm if place.made else None
    residual = np.sqrt(x.shape[1]) * x if norm is None else _scaled(x, norm)
    centred = residual - residual.mean(axis=1, keepdims=True)
    return float(np.mean(1 / np.linalg.norm(centred, axis=1)))
