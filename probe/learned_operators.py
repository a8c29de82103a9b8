"""The attention of each layer of a trained model as a `sim.Attention`, whose dynamics can be run."""

import os
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from probe.families import Projections
from probe.forward import applied
from probe.loading import LoadedModel, load
from sim.attention import Attention
from sim.precision import require_64_bit
from sim.trajectory import Trajectory


def operators(
    model: "str | os.PathLike[str] | LoadedModel | tuple[torch.nn.Module, object]",
    *,
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
    unit vector orthogonal to the all-ones vector and s = sqrt(var / (var + eps)) < 1 its shortening (`shortening`).
    So, with the model's matrices W and biases c,

        Q = sqrt(d) W_Q gain,  b_Q = W_Q bias + c_Q,   the same for K and V,    beta = 1 / sqrt(d_head),
        O = C W_O,  b_O = C c_O,    C = I - 11^T / d.

    C takes the mean off what attention writes, which every later norm does anyway. Then, on the model's own tokens,
    ``field.weights(z)`` are the model's attention rows, and the sum over heads of O A (V z + b_V), plus b_O, is what
    the layer adds to the residual, less its mean: to theta |y| in pre-LN models, and to gain |y| theta + bias in
    post-LN models, y and theta as in `extract`. ``field.velocity`` is its part tangent to the sphere. In post-LN
    models a residual of gain |y| theta + bias turns theta by itself; that is the norm's doing, not attention's.

    The first layer of ALBERT reads the mapped embedding, which no norm made: there gain = 1, bias = 0, and the field
    is exact on x / sqrt(d), x the state itself with its mean.

    Arguments
    ---------
    model, init, seed, revision, dtype: as of `extract`.
    iterations: how many times a model with one shared block (ALBERT) applies it.
    causal: whether tokens see earlier ones only; the model's own mask where None.

    Returns one `sim.Attention` a layer, in order: (head, d_head, d) query, key, value and (head, d, d_head) output,
    folded in float64. Layers that share weights and norm share one object.

    Raises ValueError where the model cannot be had, for 32-bit JAX, and for rotary models (GPT-NeoX), whose logits
    depend on the places of the tokens. Cost: 32 d^2 bytes a layer.

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
    fields = {key: _folded(layer, config.num_attention_heads, masked) for key, layer in distinct.items()}
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


def _folded(layer: Projections, heads: int, causal: bool) -> Attention:
    """The field of one layer, its norm's gain and bias folded into the weights."""
    width = layer.query.weight.shape[1]
    gain, bias = np.ones(width), np.zeros(width)
    if layer.norm is not None:
        gain, bias = _float64(layer.norm.weight), _float64(layer.norm.bias)
    folded: dict[str, Any] = {}
    for name in ("query", "key", "value"):
        weight, shift = getattr(layer, name)
        matrix = _float64(weight)
        constant = matrix @ bias + (0 if shift is None else _float64(shift))
        folded[name] = (np.sqrt(width) * matrix * gain).reshape(heads, -1, width)
        folded[f"{name}_bias"] = constant.reshape(heads, -1)
    output = _float64(layer.output.weight).reshape(width, heads, -1).transpose(1, 0, 2)
    folded["output"] = output - output.mean(axis=1, keepdims=True)
    if layer.output.bias is not None:
        constant = _float64(layer.output.bias)
        folded["output_bias"] = constant - constant.mean()
    return Attention(layer.scale, causal=causal, **folded)


def _float64(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()
