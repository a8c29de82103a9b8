"""The record that every instrument writes and every metric reads: unit points over depth."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from sim.files import intact, sealed, write_netcdf
from sim.provenance import json_values
from sim.sphere import real_array

SCHEMA = "metasphere/trajectory/2"
READ = ("metasphere/trajectory/1", SCHEMA)
"""Schemas that are read; the first has points in double precision always."""
UNIT_TOLERANCE = 1e-6
ROW_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False, init=False)
class Trajectory:
    """Tokens on the unit sphere S^(dim-1), followed over depth: time of a simulation or layer of a model.

    Arguments
    ---------
    points: (depth, token, dim) unit rows, to 1e-6; stored in float64.
    depth: (depth,) strictly increasing: time t on the axis ``"time"``, the index of the state on the axis
        ``"layer"`` (0 is the embedding, l the output of block l).
    axis: ``"time"`` or ``"layer"``.
    norms: (depth, token) lengths before projection to the sphere, finite and at least 0; ones where not given. For
        a simulation their distance from 1 is the drift of the solver; for a model they are the lengths of the hidden
        states.
    masses: (token,) positive weights summing to 1; uniform where not given.
    tokens: one name a token; their numbers where not given.
    special: (token,) bool, True at tokens that the tokenizer added ([CLS], [SEP], ...); all False where not given.
    attention: (depth, head, token, token) rows, at least 0 and summing to 1, to 1e-4, or NaN throughout; or None.
        ``attention[l]`` is computed *from* ``points[l]`` and moves it to ``points[l + 1]``, so the last layer of a
        model, which no block reads, is NaN.
    provenance: what made it, as JSON values, which numbers of NumPy and JAX, and paths, become: versions, seed, dtype,
        model revision, prompt hash; ``beta`` where known.

    All arrays are read-only views of what was given, not copies: who keeps that can change it, unchecked.
    `dataclasses.replace` makes a record with some of them changed.

    Raises
    ------
    ValueError: shapes that disagree, numbers that are not real, rows off the sphere, fewer than 2 dimensions, a depth
    that does not increase, norms that are no lengths, masses or attention that are no weights, provenance that is not
    JSON.

    >>> import numpy as np
    >>> import sim
    >>> run = sim.Trajectory(np.stack([np.eye(2), np.eye(2)]), depth=[0.0, 1.0], tokens=["a", "b"])
    >>> run.points.shape, run.masses.tolist(), run.axis
    ((2, 2, 2), [0.5, 0.5], 'time')
    """

    points: Float[np.ndarray, "depth token dim"]
    depth: Float[np.ndarray, " depth"]
    axis: Literal["time", "layer"]
    norms: Float[np.ndarray, "depth token"]
    masses: Float[np.ndarray, " token"]
    tokens: tuple[str, ...]
    special: Bool[np.ndarray, " token"]
    attention: Float[np.ndarray, "depth head token token"] | None
    provenance: dict[str, Any]

    def __init__(
        self,
        points: ArrayLike,
        depth: ArrayLike,
        axis: str = "time",
        norms: ArrayLike | None = None,
        masses: ArrayLike | None = None,
        tokens: Iterable[str] | None = None,
        special: ArrayLike | None = None,
        attention: ArrayLike | None = None,
        provenance: Mapping[str, object] | None = None,
    ) -> None:
        points = real_array("points", points)
        if points.ndim != 3 or points.shape[0] < 1 or points.shape[1] < 1 or points.shape[2] < 2:
            raise ValueError(
                f"points must have shape (depth, token, dim) with dim at least 2, got {points.shape}: "
                "stack one (token, dim) array for each depth"
            )
        depths, count, _ = points.shape
        filled = {
            "points": points,
            "depth": real_array("depth", depth),
            "axis": axis,
            "norms": real_array("norms", np.ones((depths, count)) if norms is None else norms),
            "masses": real_array("masses", np.full(count, 1 / count) if masses is None else masses),
            "tokens": _names(range(count) if tokens is None else tokens),
            "special": _flags(np.zeros(count, bool) if special is None else special),
            "attention": None if attention is None else np.asarray(attention),
            "provenance": json_values(provenance),
        }
        for name, value in filled.items():
            object.__setattr__(self, name, _read_only(value))
        self._check()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, _read_only(value))

    def _check(self) -> None:
        depths, tokens, _ = self.points.shape
        if self.axis not in ("time", "layer"):
            raise ValueError(f'axis must be "time" or "layer", got {self.axis!r}')
        for name, shape in (
            ("depth", (depths,)),
            ("norms", (depths, tokens)),
            ("masses", (tokens,)),
            ("special", (tokens,)),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape} to match the points, got {getattr(self, name).shape}"
                )
        if len(self.tokens) != tokens:
            raise ValueError(f"tokens must name all {tokens} points, got {len(self.tokens)} names")
        radii = np.sqrt(np.einsum("dti,dti->dt", self.points, self.points))
        if np.isnan(radii).any():
            depth, token = np.argwhere(np.isnan(radii))[0]
            raise ValueError(f"points must be numbers, got NaN at depth {depth}, token {token}")
        if not np.all(np.abs(radii - 1) <= UNIT_TOLERANCE):
            worst = radii.flat[np.nanargmax(np.abs(radii - 1))] if np.isfinite(radii).any() else np.nan
            raise ValueError(
                f"points must have unit rows, got a row of length {worst:.6g}: divide each row by its length "
                "and keep the lengths in norms"
            )
        if not (np.all(np.isfinite(self.depth)) and np.all(np.diff(self.depth) > 0)):
            raise ValueError("depth must be finite and strictly increasing: sort it and drop repeats")
        if not (np.all(np.isfinite(self.norms)) and np.all(self.norms >= 0)):
            raise ValueError(
                f"norms must be finite and at least 0, got {self.norms.min():.6g} to {self.norms.max():.6g}: "
                "give the lengths before projection"
            )
        if not np.all(self.masses > 0) or abs(self.masses.sum() - 1) > 1e-9:
            raise ValueError(
                f"masses must be positive and sum to 1, got sum {self.masses.sum():.6g}: divide by the sum"
            )
        if self.attention is not None:
            shape = self.attention.shape
            if len(shape) != 4 or shape[0] != depths or shape[2:] != (tokens, tokens):
                raise ValueError(
                    f"attention must have shape ({depths}, head, {tokens}, {tokens}) to match the points, "
                    f"got {shape}"
                )
            _check_rows(self.attention)

    def __repr__(self) -> str:
        depths, tokens, dim = self.points.shape
        made_by = self.provenance.get("model") or self.provenance.get("kind")
        beta = self.provenance.get("beta")
        facts = [made_by or "", "" if beta is None else f"beta {beta:.6g}"]
        return (
            f"<Trajectory: {depths} depths ({self.axis} {self.depth[0]:.6g} to {self.depth[-1]:.6g}), "
            f"{tokens} tokens in {dim} dimensions{''.join(f', {fact}' for fact in facts if fact)}>"
        )

    def to_xarray(self) -> xr.Dataset:
        """The record as a data set: each array with its axes by name, and what made it, as JSON, in the attributes.

        >>> import sim
        >>> dict(sim.Trajectory(sim.uniform(4, 3)[None], depth=[0.0]).to_xarray().sizes)
        {'depth': 1, 'token': 4, 'dim': 3}
        """
        variables: dict[str, Any] = {
            "points": (("depth", "token", "dim"), self.points, {"long_name": "unit points"}),
            "norms": (("depth", "token"), self.norms, {"long_name": "length before projection"}),
            "masses": ("token", self.masses),
            "tokens": ("token", np.asarray(self.tokens, dtype=object)),
            "special": ("token", self.special.astype(np.int8)),
        }
        if self.attention is not None:
            variables["attention"] = (("depth", "head", "token", "key_token"), self.attention)
        return xr.Dataset(
            variables,
            coords={"depth": ("depth", self.depth, {"axis": self.axis})},
            attrs={
                "schema": SCHEMA,
                "axis": self.axis,
                "provenance": json.dumps(self.provenance, sort_keys=True),
            },
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record to one NetCDF-4 file, aside first, so that a crash leaves no half file at `path`.

        It carries a checksum of its content. Points that are vectors of single precision over their lengths, as those
        of a model are, are kept as these ``vectors``, packed, which takes less than half the space; then ``points`` are
        `vectors` / `norms` in double precision, to the last bit. Raises ValueError where `path` cannot be written.

        >>> from tempfile import TemporaryDirectory
        >>> import sim
        >>> with TemporaryDirectory() as folder:
        ...     sim.Trajectory(sim.uniform(4, 3)[None], depth=[0.0]).save(f"{folder}/run.nc")
        ...     sim.Trajectory.load(f"{folder}/run.nc").points.shape
        (1, 4, 3)
        """
        dataset, vectors = self.to_xarray(), _vectors(self.points, self.norms)
        if vectors is not None:
            named = (dataset["points"].dims, vectors, {"long_name": "points times norms"})
            dataset = dataset.drop_vars("points").assign(vectors=named)
        large = [name for name in ("vectors", "attention") if name in dataset]
        encoding = {name: {"zlib": True, "complevel": 1} for name in large}
        write_netcdf(Path(path), sealed(dataset), encoding)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Trajectory":
        """Read what `save` wrote.

        Raises ValueError that names the file where it is missing, cut off in the middle, of another schema, other than
        its checksum says (where it has one), without one of its variables, or holds values that no trajectory has.

        >>> import sim
        >>> sim.Trajectory.load("missing.nc")
        Traceback (most recent call last):
        ValueError: no file at missing.nc: give a NetCDF file that metasphere wrote
        """
        if not Path(path).is_file():
            raise ValueError(f"no file at {path}: give a NetCDF file that metasphere wrote")
        try:
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                dataset = opened.load()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"{path} cannot be read as NetCDF (cut off, or of another format): make it again"
            ) from error
        if dataset.attrs.get("schema") not in READ:
            raise ValueError(
                f"{path} has schema {dataset.attrs.get('schema')!r}, need {SCHEMA!r}: make it again with this version"
            )
        variables = dataset.variables
        try:
            read = cls(
                points=stored_points(variables),
                depth=variables["depth"].values,
                axis=dataset.attrs["axis"],
                norms=variables["norms"].values,
                masses=variables["masses"].values,
                tokens=tuple(variables["tokens"].values),
                special=variables["special"].values.astype(bool),
                attention=variables["attention"].values if "attention" in variables else None,
                provenance=_read_provenance(dataset.attrs["provenance"]),
            )
        except KeyError as error:
            raise ValueError(f"{path} has no {error.args[0]}: make it again") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is damaged, make it again: {error}") from error
        if not intact(dataset):
            raise ValueError(
                f"{path} is damaged, or was changed by hand (its checksum is not that of its content): make it again, "
                "or write what you changed with Trajectory.save"
            )
        return read


def _read_only(value: Any) -> Any:
    """A view of an array through which nothing can be written; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _names(tokens: Iterable[object]) -> tuple[str, ...]:
    """As text that a file can hold."""
    try:
        names = tuple(map(str, tokens))
    except TypeError as error:
        raise ValueError(f"tokens must be names, one a token, got {tokens!r}") from error
    for name in names:
        if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise ValueError(
                f"tokens must be text without NUL and lone surrogates, got {name!r}: replace these"
            )
    return names


def _flags(special: ArrayLike) -> Bool[np.ndarray, "..."]:
    given = np.asarray(special)
    if not (given.dtype.kind in "biuf" and np.isin(given, (0, 1)).all()):
        raise ValueError(f"special must be True or False, one a token, got {special!r}")
    return given.astype(bool)


def in_single_precision(trajectory: Trajectory) -> Trajectory:
    """The same run with each vector, a point times its length, rounded to single precision, so `save` keeps vectors.

    Points move by some 1e-8: states that a model has in single precision keep all their digits. Lengths must be above
    0, as those of models are.
    """
    vectors = (trajectory.points * trajectory.norms[..., None]).astype(np.float32).astype(np.float64)
    norms = np.sqrt(np.einsum("dti,dti->dt", vectors, vectors))
    return replace(trajectory, points=vectors / norms[..., None], norms=norms)


def stored_points(variables: Mapping[Any, xr.Variable]) -> Float[np.ndarray, "depth token dim"]:
    """The points of a file, by its variables: as they are there, or vectors of single precision over their lengths."""
    if "vectors" not in variables:
        return variables["points"].values
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # of a damaged file, which is found out as it is read
        return variables["vectors"].values / variables["norms"].values[..., None]


def _vectors(
    points: Float[np.ndarray, "depth token dim"], norms: Float[np.ndarray, "depth token"]
) -> Float[np.ndarray, "depth token dim"] | None:
    """Vectors of single precision that over their lengths are the points to the last bit, or None."""
    vectors = np.empty(points.shape, np.float32)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for depth, lengths in enumerate(norms[..., None]):
            vectors[depth] = points[depth] * lengths
            if not np.array_equal(vectors[depth] / lengths, points[depth]):
                return None
    return vectors


def _read_provenance(text: str) -> dict[str, Any]:
    provenance = json.loads(text)
    if not isinstance(provenance, dict):
        raise ValueError(f"provenance must be a JSON object, got {text[:40]}")
    return provenance


def _check_rows(attention: Float[np.ndarray, "depth head token token"]) -> None:
    """Each row at least 0 and summing to 1, or all NaN."""
    ones = np.ones(attention.shape[-1], attention.dtype)
    for rows in attention:
        with np.errstate(invalid="ignore"):
            sums = rows @ ones
        whole = rows.min(initial=0) >= 0 and np.all(np.abs(sums - 1) <= ROW_TOLERANCE)
        if not whole and not np.isnan(np.fmin.reduce(rows, axis=None)):
            _check_each_row(rows, sums)


def _check_each_row(
    rows: Float[np.ndarray, "head token token"], sums: Float[np.ndarray, "head token"]
) -> None:
    least = np.fmin.reduce(rows, axis=-1)  # passes over NaN, so that it is NaN where the whole row is
    wrong = ~(np.isnan(least) | ((least >= 0) & (np.abs(sums - 1) <= ROW_TOLERANCE)))
    if np.any(wrong):
        raise ValueError(
            f"attention must have rows that are at least 0 and sum to 1, or are all NaN, got a row from "
            f"{least[wrong][0]:.6g} of sum {sums[wrong][0]:.6g}: divide each row by its sum"
        )
