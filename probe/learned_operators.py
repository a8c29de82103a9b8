"""The attention of each layer of a trained model as a `sim.Attention`, whose dynamics can be run."""

import os
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from probe.families import Projections
from probe.families.family import Linear
from probe.forward import applied
from probe.loading import LoadedModel, load
from probe.structure.norms import Norm, described
from sim.attention import Attention
from sim.precision import require_64_bit
from sim.trajectory import Trajectory


def operators(
    model: "str | os.PathLike[str] | LoadedModel | tuple[torch.nn.Module, object]",
    *,
    tokens: int | None = None,
    iterations: int | None = None,
    init: str = "trained",
    seed: int = 0,
    causal: bool | None = None,
    revision: str | None = None,
    dtype: str | None = None,
) -> tuple[Attention, ...]:
    """The learned attention of each layer as a field on the sphere of the frame ``"layernorm"`` of `extract`.

    What a layer's attention reads is sqrt(d) gain z + bias, where gain and bias are those of the norm before it (the
    layer's own norm in pre-LN models, the norm that made the state in post-LN models) and z = s theta, with theta a
    unit vector and s < 1 its shortening by the norm's eps (`shortening`). A LayerNorm takes the mean off, so there
    theta is orthogonal to the all-ones vector; an RMSNorm (Llama, Gemma) does not. So, with the model's matrices W and
    biases c,

        Q = sqrt(d) W_Q gain,  b_Q = W_Q bias + c_Q,   the same for K and V,    beta = 1 / sqrt(d_head),
        O = C W_O,  b_O = C c_O,    C = I - 11^T / d with a LayerNorm, C = I with an RMSNorm.

    C takes the mean off what attention writes, which every later norm does anyway. What else a model does is in the
    field too: rotary positions (`angles`, of the first pairs of entries where not all turn), windows and ALiBi
    (`logit_bias`), norms of queries and keys, a cap of the logits, another beta, and keys that several heads share,
    repeated. Then, on the model's own tokens,
    ``field.weights(z)`` are the model's attention rows, and the sum over heads of O A (V z + b_V), plus b_O, is what
    the layer's attention writes, less its mean with a LayerNorm. That is added to the residual: to theta |y| in pre-LN
    models, to gain |y| theta + bias in post-LN models, y and theta as in `extract`; in Gemma it passes one more norm
    before. ``field.velocity`` is its part tangent to the sphere. In post-LN
    models a residual of gain |y| theta + bias turns theta by itself; that is the norm's doing, not attention's.

    The first layer of ALBERT reads the mapped embedding, which no norm made: there gain = 1, bias = 0, and the field
    is exact on x / sqrt(d), x the state itself with its mean.

    Arguments
    ---------
    model, init, seed, revision, dtype: as of `extract`.
    tokens: for how many tokens the fields are, from the first place of a text on; needed where places tell tokens
        apart (rotary, ALiBi, a window), and of no effect elsewhere.
    iterations: how many times a model with one shared block (ALBERT) applies it.
    causal: whether tokens see earlier ones only; the model's own mask where None.

    Returns one `sim.Attention` a layer, in order: (head, d_head, d) query, key, value and (head, d, d_head) output,
    folded in float64. Layers that share weights and norm share one object.

    Raises ValueError where the model cannot be had, for 32-bit JAX, for a model with positions where `tokens` is not
    given, and for families and variants whose attention is no such field, with the reason.
    Cost: 32 d^2 bytes a layer, and 8 n^2 (times the heads for ALiBi) where there is a window or ALiBi.

    >>> import probe
    >>> fields = probe.operators("albert-128")
    >>> len(fields), fields[0].query.shape, round(float(fields[0].beta), 4)
    (12, (4, 32, 128), 0.1768)
    """
    require_64_bit()
    loaded = load(model, revision=revision, dtype=dtype, init=init, seed=seed)
    config, family = loaded.model.config, loaded.family
    masked = loaded.causal if causal is None else causal
    with applied(loaded, iterations):
        layers = family.projections(loaded.model)
    distinct = {(id(layer.norm), id(layer.query.weight)): layer for layer in layers}
    heads = config.num_attention_heads
    fields = {key: _folded(layer, heads, masked, tokens, loaded.name) for key, layer in distinct.items()}
    return tuple(fields[id(layer.norm), id(layer.query.weight)] for layer in layers)


def shortening(trajectory: Trajectory) -> Float[np.ndarray, "depth token"]:
    """The s in (0, 1) by which eps shortens each theta of a trajectory in the frame ``"layernorm"``; 1 for eps = 0.

    |y| / sqrt(|y|^2 + d eps) where the state is read by a norm (pre-LN), |y| / sqrt(d) where a norm made it (post-LN).
    At depth 0 of ALBERT, whose embedding no norm made, it is |y| / sqrt(d) too, and may exceed 1.

    Raises ValueError for another frame, or a trajectory that `extract` did not make.
    """
    facts = trajectory.provenance
    if facts.get("frame") != "layernorm":
        raise ValueError(
            f"need a trajectory of extract(..., frame='layernorm'), got frame {facts.get('frame')!r}"
        )
    width = trajectory.points.shape[-1]
    if facts["scheme"] == "post":
        return trajectory.norms / np.sqrt(width)
    return trajectory.norms / np.sqrt(trajectory.norms**2 + width * facts["epsilon"])


def _folded(layer: Projections, heads: int, causal: bool, tokens: int | None, name: str) -> Attention:
    """The field of one layer, its norm's gain and bias folded into the weights."""
    width = layer.query.weight.shape[1]
    gain, bias, norm = _affine(layer.norm, width, name)
    centred = norm is None or norm.centres
    size = layer.query.weight.shape[0] // heads
    order = _pairs_apart(layer, size)

    def read(part: Linear) -> tuple[np.ndarray, np.ndarray]:
        """(head, size, d) and (head, size), a head's copy for each that shares it."""
        matrix = _float64(part.weight)
        constant = matrix @ bias + (0 if part.bias is None else _float64(part.bias))
        matrix = (np.sqrt(width) * matrix * gain).reshape(-1, size, width)
        copies = heads // len(matrix)
        return matrix.repeat(copies, axis=0), constant.reshape(-1, size).repeat(copies, axis=0)

    folded: dict[str, Any] = {"softcap": layer.softcap}
    for part, linear, of_heads in (
        ("query", layer.query, layer.query_norm),
        ("key", layer.key, layer.key_norm),
    ):
        matrix, constant = read(linear)
        turned = _turned_scale(layer, size)
        inner, shift, found = _affine(of_heads, size, name)
        if found is not None:
            if found.centres or shift.any():
                raise ValueError(f"{name} centres its queries or keys, or adds to them: no field does that")
            folded[f"{part}_gain"] = np.tile((inner * turned)[order], (heads, 1))
            folded["query_key_epsilon"] = found.epsilon
            turned = np.ones(size)
        folded[part] = (turned[:, None] * matrix)[:, order]
        folded[f"{part}_bias"] = (turned * constant)[:, order]
    folded["value"], folded["value_bias"] = read(layer.value)
    output = _float64(layer.output.weight).reshape(width, heads, -1).transpose(1, 0, 2)
    folded["output"] = output - output.mean(axis=1, keepdims=True) if centred else output
    if layer.output.bias is not None:
        constant = _float64(layer.output.bias)
        folded["output_bias"] = constant - constant.mean() if centred else constant
    return Attention(layer.scale, causal=causal, **folded, **_places(layer, size, tokens, name))


def _places(layer: Projections, size: int, tokens: int | None, name: str) -> dict[str, Any]:
    """The angles and the bias of the logits of the first `tokens` places."""
    if layer.rotation is None and layer.window is None and layer.slopes is None:
        return {}
    if tokens is None:
        raise ValueError(
            f"{name} tells tokens apart by their places: say for how many the fields are, operators(..., tokens=n)"
        )
    made = {}
    if layer.rotation is not None:
        places = torch.arange(tokens).float()[:, None] * layer.rotation.frequencies.float().cpu()
        made["angles"] = np.zeros((tokens, size // 2))
        made["angles"][:, : places.shape[1]] = _float64(places)
    back = np.arange(tokens)[:, None] - np.arange(tokens)
    if layer.slopes is not None:
        made["logit_bias"] = -_float64(layer.slopes)[:, None, None] * back
    if layer.window is not None and layer.window < tokens:
        made["logit_bias"] = np.where(np.abs(back) < layer.window, made.get("logit_bias", 0.0), -np.inf)
    return made


def _pairs_apart(layer: Projections, size: int) -> np.ndarray:
    """The order of a head's entries in which those that turn together are half a head apart, the pairs in front."""
    if layer.rotation is None:
        return np.arange(size)
    pairs = len(layer.rotation.frequencies)
    turned = np.arange(2 * pairs).reshape((pairs, 2) if layer.rotation.interleaved else (2, pairs))
    first, second = turned.T if layer.rotation.interleaved else turned
    still = np.arange(2 * pairs, size).reshape(2, -1)
    return np.concatenate([first, still[0], second, still[1]])


def _turned_scale(layer: Projections, size: int) -> Float[np.ndarray, " size"]:
    """The factor of each entry of a query or key by which its rotation scales it."""
    scale = np.ones(size)
    if layer.rotation is not None:
        scale[: 2 * len(layer.rotation.frequencies)] = layer.rotation.scale
    return scale


def _affine(
    norm: nn.Module | None, width: int, name: str
) -> tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"], Norm | None]:
    """Gain and bias of a norm, and what else it does; 1, 0 and None where there is none."""
    if norm is None:
        return np.ones(width), np.zeros(width), None
    found = described(norm, width)
    if found is None:
        raise ValueError(
            f"{name} reads through {type(norm).__name__}, which is no norm of one gain and bias: use "
            "extract(model, text, attention=True) for its rows"
        )
    gain, bias = map(_float64, found.affine(width))
    return gain, bias, found


def _float64(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
