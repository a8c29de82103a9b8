"""What a norm does, found by feeding it vectors, so that no name of a gain or an epsilon is needed."""

from copy import deepcopy
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import nn

_HALVINGS = 25
_LARGE = 1024.0
_SLACK = 64  # roundings of the module's own precision; a norm that is no norm misses by its size


class Norm(NamedTuple):
    """N(x) = gain y / sqrt(mean(y^2) + epsilon) + bias with y = x less its mean (layer norm), or y = x (RMS norm).

    module: the one that computes it. centres: whether the mean is taken off.
    """

    module: nn.Module
    centres: bool
    epsilon: float

    def affine(self, width: int) -> tuple[Float[torch.Tensor, " dim"], Float[torch.Tensor, " dim"]]:
        """Gain and bias as they act now, in float64: 1 + w of a Gemma, w of a Llama.

        Measured, and where a parameter w, or 1 + w, is what was measured up to rounding, taken from there.
        """
        unit, module = _unit(width), _in_full(self.module)
        bias, large = _fed(module, torch.stack([torch.zeros(width, dtype=torch.float64), _LARGE * unit]))
        gain = (large - bias) / unit * (1 + self.epsilon / _LARGE**2) ** 0.5
        kept = [parameter.detach().cpu().double() for parameter in module.parameters()]
        gains = [*kept, *(1 + parameter for parameter in kept)]
        precision = _SLACK * torch.finfo(_dtype(module)).eps
        return _nearest(gain, gains, precision), _nearest(bias, kept, precision)


def described(module: nn.Module, width: int) -> Norm | None:
    """The norm that a module is; None where it is none.

    It is fed 0 (its bias), a long vector without a mean (its gain), the same with a mean (whether it centres) and ever
    shorter ones (its epsilon, from where the output is half as long). What was found must foretell all outputs. An
    epsilon that the module keeps as a number is taken from there, as it is exact.
    """
    if any(True for _ in module.children()):
        return None
    given, module = module, _in_full(module)
    unit = _unit(width)
    scales = 2.0 ** -torch.arange(_HALVINGS, dtype=torch.float64)
    vectors = torch.cat([torch.zeros(1, width), (_LARGE * unit)[None], (_LARGE * (unit + 2))[None]])
    vectors = torch.cat([vectors, scales[:, None] * unit])
    try:
        made = _fed(module, vectors)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError):
        return None  # it takes something else than vectors
    if made.shape != vectors.shape or not torch.isfinite(made).all():
        return None
    bias, large, shifted = made[:3]
    gained = large - bias
    size = gained.square().sum()
    precision = torch.finfo(_dtype(module)).eps
    if size == 0:
        return None
    centres = bool((shifted - large).abs().max() <= _SLACK * precision * made.abs().max())
    ratios = (made[3:] - bias) @ gained / size
    half = int((ratios - 0.5).abs().argmin())
    measured = float(scales[half] ** 2 * (1 / ratios[half].clamp(1e-9, 1) ** 2 - 1))
    epsilon = _kept(module, measured, precision)
    y = vectors - vectors.mean(1, keepdim=True) if centres else vectors
    foretold = gained / unit * y / (y.square().mean(1, keepdim=True) + epsilon).sqrt() + bias
    miss = (foretold - made).abs().max() / made.abs().max()
    return Norm(given, centres, epsilon) if miss <= max(_SLACK * precision, 1e-3) else None


def _in_full(module: nn.Module) -> nn.Module:
    """A copy in single precision of a module of less: in half precision one large gain hides all others."""
    return deepcopy(module).float() if torch.finfo(_dtype(module)).bits < 32 else module


def _unit(width: int) -> Float[torch.Tensor, " dim"]:
    """A vector without a mean and with a mean square of 1, no entry of which is small."""
    places = torch.arange(width, dtype=torch.float64)
    vector = (1 - 2 * (places % 2)) * (1 + places / (2 * width))
    vector = vector - vector.mean()
    return vector / vector.square().mean().sqrt()


def _dtype(module: nn.Module) -> torch.dtype:
    return next((parameter.dtype for parameter in module.parameters()), torch.float32)


def _fed(module: nn.Module, vectors: Float[torch.Tensor, "vector dim"]) -> Float[torch.Tensor, "vector dim"]:
    parameter = next(module.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    with torch.inference_mode():
        return module.forward(vectors[None].to(device, _dtype(module)))[0].cpu().double()  # past all hooks


def _nearest(
    measured: Float[torch.Tensor, " dim"], kept: list[torch.Tensor], precision: float
) -> Float[torch.Tensor, " dim"]:
    allowed = precision * measured.abs().max()
    same = [
        each for each in kept if each.shape == measured.shape and (each - measured).abs().max() <= allowed
    ]
    return same[0] if same else measured


def _kept(module: nn.Module, measured: float, precision: float) -> float:
    """The number among those that the module keeps that is as large as what was measured, up to rounding."""
    numbers = [value for value in vars(module).values() if isinstance(value, float)]
    near = [value for value in numbers if abs(value - measured) <= max(1e-3, 16 * precision) * abs(measured)]
    return near[0] if near else measured
