"""What is asked of a model itself, beside its runs: its heads, its value path, and which part of a block does what."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr

import probe
from compare.analyses.collapse_speed import of_model
from compare.analyses.divergence import divergence
from compare.analyses.energy_budget import decomposition
from compare.analyses.head_context import long_context
from compare.analyses.norm_invariant import conservation
from compare.analyses.value_spectrum import value_spectrum
from compare.files import code_digest, write_netcdf
from compare.study.results import kept_table
from compare.study.subjects import Subject, Text
from probe.dynamics import layer_by_layer
from probe.loading import LoadedModel, load
from probe.spectra import spectra

LAST = "value_matrices"
TABLES = ("heads", "value_paths", "whole_path", "parts", "parting", "norms", "speed", LAST)
CODE = (
    *(
        "sim",
        "probe",
        "compare.analyses.energy_budget",
        "compare.analyses.divergence",
        "compare.analyses.idealised",
        "compare.metrics.pairwise",
    ),
    *(
        "compare.metrics.exclusions",
        "compare.analyses.head_context",
        "compare.analyses.norm_invariant",
        "compare.analyses.collapse_speed",
        "compare.analyses.value_spectrum",
    ),
)
DRAWS = 8
Anatomies = Mapping[str, Mapping[str, xr.Dataset]]


def has_anatomy(subject: Subject) -> bool:
    """Whether the operators of its family are known, and it is no stage of another subject."""
    return subject.has_operators and not subject.stage


def anatomy(
    model: LoadedModel, texts: Sequence[Text], max_tokens: int | None, seed: int
) -> dict[str, xr.Dataset]:
    """The tables of a model, by name.

    - ``heads`` (text, depth, head): `compare.analyses.head_context` of each text.
    - ``value_paths`` (layer, head): `probe.spectra` of O V, beside random operators of the same singular values, and
      ``whole_path``, that of all heads of a layer together. ``value_matrices``: W_V alone, as the post has it.
    - ``parts`` (text, depth, part): `compare.analyses.energy_budget` of the energy at the median beta_eff of the text.
    - ``parting`` (text, run, depth): `compare.analyses.divergence`, with the learned dynamics as one of the runs.
    - ``norms`` (text, depth): `compare.analyses.norm_invariant` of a Pre-LN model; not there for others.
    - ``speed``: `compare.analyses.collapse_speed` of the model.

    ``parting`` and ``speed`` are left out where an idealised block has no time: where a Pre-LN residual is shorter than
    what attention adds to it, as with fresh weights.

    Raises ValueError as those do: a rotary model has no operators. Cost: two passes and five measurements a text.
    """
    rows: dict[str, list[xr.Dataset]] = defaultdict(list)
    runs, betas = [], []
    for text in texts:
        inside, raw = (
            probe.extract(
                model, text.text, frame, frame == "layernorm", sublayers=True, max_tokens=max_tokens
            )
            for frame in ("layernorm", "raw")
        )
        heads = long_context(inside)
        beta = float(np.median(heads["beta_entropy"]))
        split = decomposition(inside, beta, raw)
        found = {"heads": heads, "parts": split}
        if model.family.scheme == "pre":
            found["norms"] = conservation(inside, beta, since=1)
        with suppress(ValueError):
            learned = layer_by_layer(model, text.text, max_tokens=max_tokens)
            parted = divergence(inside, beta, learned=learned, parts=split)
            found["parting"] = parted.assign(leading_part=parted["leading_part"].astype(str))
        for name, table in found.items():
            rows[name].append(table.assign_coords(text=text.name))
        runs.append(inside)
        betas.append(beta)
    operators = probe.operators(model)
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
        LAST: value_spectrum(model),
    }


def keep_anatomy(
    subject: Subject, directory: Path, texts: Sequence[Text], max_tokens: int | None, seed: int
) -> Path:
    """Write `directory`/models/NAME/TABLE.nc for each table, unless they are there and of these weights and texts.

    The last table is written last, so that it tells whether all are there.
    """
    folder = directory / "models" / subject.name.replace("/", "-")
    said = [
        subject.given,
        subject.files,
        [text.text for text in texts],
        max_tokens,
        seed,
        code_digest(*CODE),
    ]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    if kept_table(folder / f"{LAST}.nc", key) is None:
        for name, table in anatomy(load(subject.given), texts, max_tokens, seed).items():
            write_netcdf(folder / f"{name}.nc", table.assign_attrs(key=key, model=subject.name))
    return folder


def anatomies(directory: Path) -> Anatomies:
    """The tables of all models that `directory`/models holds, by model, then by name."""
    found: dict[str, dict[str, xr.Dataset]] = {}
    for path in sorted((directory / "models").glob("*/*.nc")):
        table = kept_table(path)
        if table is not None and path.stem in TABLES:
            found.setdefault(str(table.attrs["model"]), {})[path.stem] = table
    return found
