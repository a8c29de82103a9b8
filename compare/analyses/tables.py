"""What is asked of a model itself, beside its runs: its heads, its value path, and which part of a block does what."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict

import numpy as np
import xarray as xr

import probe
from compare.analyses.collapse_speed import of_model
from compare.analyses.divergence import divergence
from compare.analyses.effective_context import effective_context
from compare.analyses.energy_budget import decomposition
from compare.analyses.head_context import long_context
from compare.analyses.head_energy import head_energy
from compare.analyses.norm_invariant import conservation
from compare.analyses.random_weights import common_noise
from compare.analyses.value_spectrum import value_spectrum
from probe.dynamics import layer_by_layer
from probe.loading import LoadedModel, load
from probe.spectra import spectra

DRAWS = 8


def model_tables(
    model: LoadedModel, texts: Mapping[str, str], max_tokens: int | None, seed: int
) -> dict[str, xr.Dataset]:
    """The tables of a model, by name; `texts` by their names.

    - ``heads`` (text, depth, head): `compare.analyses.head_context` and `effective_context` of each text.
    - ``head_energy`` (text, depth, head, step): `compare.analyses.head_energy` of each text.
    - ``value_paths`` (layer, head): `probe.spectra` of O V, beside random operators of the same singular values, and
      ``whole_path``, that of all heads of a layer together. ``value_matrices``: W_V alone, as the post has it.
    - ``parts`` (text, depth, part): `compare.analyses.energy_budget` of the energy at the median beta_eff of the text.
    - ``parting`` (text, run, depth): `compare.analyses.divergence`, with the learned dynamics as one of the runs.
    - ``norms`` (text, depth): `compare.analyses.norm_invariant` of a Pre-LN model; not there for others.
    - ``random_weights`` (text, block): `compare.analyses.random_weights`, the weights drawn anew for each text, with
      the seeds of its controls, and the mask lifted; ``shared`` says whether all blocks have the same weights.
    - ``speed``: `compare.analyses.collapse_speed` of the model.

    ``parting`` and ``speed`` are left out where an idealised block has no time: where a Pre-LN residual is shorter than
    what attention adds to it, as with fresh weights.

    Raises ValueError as those do, and for a model whose logits depend on places, as no query-key matrix alone says
    what its heads look for. Cost: three passes, a new model and seven measurements a text.
    """
    rows: dict[str, list[xr.Dataset]] = defaultdict(list)
    runs, betas = [], []
    operators = probe.operators(model)
    for place, (label, text) in enumerate(texts.items()):
        inside, raw = (
            probe.extract(model, text, frame, frame == "layernorm", sublayers=True, max_tokens=max_tokens)
            for frame in ("layernorm", "raw")
        )
        heads = long_context(inside)
        heads = heads.assign(effective_context(inside, heads, operators))
        beta = max(float(np.median(heads["beta"])), 0.0)
        split = decomposition(inside, beta, raw)
        found = {
            "heads": heads,
            "parts": split,
            "head_energy": head_energy(inside, operators),
            "random_weights": _with_random_weights(model, text, max_tokens, seed + place),
        }
        if model.structure.scheme == "pre":
            found["norms"] = conservation(inside, beta, since=1)
        with suppress(ValueError):
            learned = layer_by_layer(model, text, max_tokens=max_tokens)
            parted = divergence(inside, beta, learned=learned, parts=split)
            found["parting"] = parted.assign(leading_part=parted["leading_part"].astype(str))
        for name, table in found.items():
            rows[name].append(table.assign_coords(text=label))
        runs.append(inside)
        betas.append(beta)
    whole = spectra(operators, together=True, draws=0)
    tables = {
        name: xr.concat(each, dim="text", join="outer", combine_attrs="drop_conflicts")
        for name, each in rows.items()
    }
    with suppress(ValueError):
        speed = asdict(of_model(runs, float(np.median(betas)), whole))
        tables["speed"] = xr.Dataset(attrs={name: value for name, value in speed.items() if name != "model"})
    return tables | {
        "value_paths": spectra(operators, draws=DRAWS, seed=seed),
        "whole_path": whole,
        "value_matrices": value_spectrum(model),
    }


def _with_random_weights(model: LoadedModel, text: str, max_tokens: int | None, seed: int) -> xr.Dataset:
    """The model's attention with weights of this seed, and without a mask, on a text."""
    fresh = load(model, init="random", seed=seed)
    run = probe.extract(fresh, text, "layernorm", attention=True, causal=False, max_tokens=max_tokens)
    found = common_noise(run, probe.operators(fresh, causal=False))
    blocks = [block.module for block in fresh.structure.blocks]
    return found.assign_attrs(shared=int(len(set(blocks)) < len(blocks)))
