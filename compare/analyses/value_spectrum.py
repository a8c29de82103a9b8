"""Group E2 of the post: the spectrum of the value matrix alone, which no model determines."""

import os
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float

from compare.metrics.variable import Variable, labelled
from probe.loading import LoadedModel, load

COMPLEX = 0.01
FLOOR = 1e-8

_E2 = "post, Group E2"
_GAUGE = "; changes when V -> G V and O -> O G^-1, which leaves the model as it is"

VARIABLES = {
    "singular_value": Variable(
        ("layer", "rank"),
        "singular values of W_V",
        "1",
        _E2,
        "of the d x d matrix of all heads' values, largest first, without W_O and without the norm's gain"
        + _GAUGE,
    ),
    "eigenvalue_real": Variable(
        ("layer", "rank"),
        "real parts of its eigenvalues",
        "1",
        _E2,
        "of the same matrix, which maps the stream to the heads' values as if both were one space; in order of "
        "decreasing size, of a pair that with positive imaginary part first" + _GAUGE,
    ),
    "eigenvalue_imaginary": Variable(
        ("layer", "rank"), "imaginary parts of its eigenvalues", "1", _E2, "in the same order" + _GAUGE
    ),
    "attractive_share": Variable(
        ("layer",), "share of eigenvalues with positive real part", "1", _E2, "Re > 0" + _GAUGE
    ),
    "repulsive_share": Variable(
        ("layer",), "share of eigenvalues with negative real part", "1", _E2, "Re < 0" + _GAUGE
    ),
    "complex_share": Variable(
        ("layer",),
        "share of complex eigenvalues",
        "1",
        _E2,
        "|Im| > 0.01 (|Re| + 1e-8); a Gaussian matrix has the post's values" + _GAUGE,
    ),
    "spectral_radius": Variable(
        ("layer",), "spectral radius of W_V", "1", _E2, "largest size of an eigenvalue" + _GAUGE
    ),
    "condition": Variable(
        ("layer",),
        "ratio of the two largest singular values",
        "1",
        _E2,
        "first over second; infinite where the second is 0" + _GAUGE,
    ),
}


def value_spectrum(
    model: "str | os.PathLike[str] | LoadedModel | tuple[Any, Any]",
    *,
    init: str = "trained",
    seed: int = 0,
    revision: str | None = None,
) -> xr.Dataset:
    """Singular values and eigenvalues of W_V in each layer, all heads as one d x d matrix, as published.

    None of these numbers belongs to the model: V -> G V, O -> O G^-1 within each head changes them and no output. The
    spectral radius that the post takes for the speed of collapse can be made any number so. `probe.spectra` has the
    spectra of O V, which do not move.

    Arguments: model, init, seed, revision, as of ``probe.extract``.

    Returns a data set with dimensions ``layer`` (those that share weights, as ALBERT's, each have a row) and ``rank``,
    and the attribute ``model``. `VARIABLES` has the definitions.

    Raises ValueError where the model cannot be had. Rotary models, which have no operators, have their W_V too.
    Cost: O(d^3) a layer.
    """
    loaded = load(model, revision=revision, init=init, seed=seed)
    weights = _values(loaded)
    known = {id(weight): weight for weight in weights}
    found = {key: spectrum(weight.detach().cpu().double().numpy()) for key, weight in known.items()}
    rows = [found[id(weight)] for weight in weights]
    values = {name: np.stack([row[name] for row in rows]) for name in VARIABLES}
    return xr.Dataset(labelled(VARIABLES, values), attrs={"model": loaded.name, "init": loaded.init})


def _values(loaded: LoadedModel) -> list[torch.Tensor]:
    family = loaded.family
    if family.values is not None:
        return family.values(loaded.model)
    return [layer.value.weight for layer in family.projections(loaded.model)]


def spectrum(matrix: Float[np.ndarray, "d d"]) -> dict[str, Any]:
    """The values of `VARIABLES` for one matrix."""
    values = np.linalg.eigvals(matrix)
    real, imaginary, size = np.real(values), np.imag(values), np.abs(values)
    order = np.lexsort((-imaginary, -real, -size.round(12)))
    real, imaginary = real[order], imaginary[order]
    sizes = np.linalg.svd(matrix, compute_uv=False)
    turning = np.abs(imaginary) > COMPLEX * (np.abs(real) + FLOOR)
    return {
        "singular_value": sizes,
        "eigenvalue_real": real,
        "eigenvalue_imaginary": imaginary,
        "attractive_share": np.mean(real > 0),
        "repulsive_share": np.mean(real < 0),
        "complex_share": np.mean(turning),
        "spectral_radius": size.max(),
        "condition": np.divide(sizes[0], sizes[1], where=sizes[1] > 0, out=np.array(np.inf)),
    }
