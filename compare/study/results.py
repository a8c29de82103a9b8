"""A folder of results: runs, and what was measured on them, kept so that a study that was killed goes on."""

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from compare.files import file_digest, intact, sealed, write_aside
from compare.metrics.calibrated.attention import PLANTINGS
from compare.study.closure import code_digest
from compare.study.measuring import measure_run
from sim import Trajectory
from sim.files import CHECKSUM
from sim.trajectory import READ, stored_points


@dataclass(frozen=True)
class Settings:
    """How runs are measured: `draws`, `seed` and `plantings` of `compare.measure`; more plantings serve as well."""

    draws: int = 99
    seed: int = 0
    plantings: int = PLANTINGS


class AttentionNotKeptError(RuntimeError):
    """A run would have to be measured anew, and its attention is gone: nothing may be left out for this reason."""


@dataclass(frozen=True, eq=False)
class SavedRun:
    """One saved run: what its file says of it, and its trajectory and measurements, which are read when asked for.

    made: the trajectory, where it is in memory already.
    """

    path: Path
    facts: Mapping[str, Any]
    axis: str
    settings: Settings
    made: Trajectory | None = field(default=None, repr=False)
    known: dict[str, xr.Dataset] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        return str(self.facts.get("label", self.path.stem))

    @property
    def group(self) -> str:
        return str(self.facts.get("group", self.label))

    @property
    def is_model(self) -> bool:
        return "model" in self.facts

    @property
    def model(self) -> str:
        """The name of the model, "" of a simulation."""
        return str(self.facts.get("model", ""))

    @property
    def change(self) -> str:
        """What differs from the model as trained on the text as written; "" for nothing, and of a simulation."""
        return str(self.facts.get("change") or "")

    @property
    def presets(self) -> tuple[str, ...]:
        """Which definitions apply: of models, the published ones in the raw frame, the calibrated ones elsewhere."""
        if not self.is_model:
            return ("calibrated", "published") if self.facts.get("published", True) else ("calibrated",)
        return ("published",) if self.facts.get("frame") == "raw" else ("calibrated",)

    @cached_property
    def without_attention(self) -> Trajectory:
        """The trajectory less its attention, which is most of the file and not read."""
        if self.made is not None:
            return self.made if self.made.attention is None else replace(self.made, attention=None)
        with xr.open_dataset(self.path, engine="h5netcdf") as opened:
            saved = opened.drop_vars("attention", errors="ignore").load().variables
        others = {name: saved[name].values for name in ("depth", "norms", "masses", "tokens", "special")}
        return Trajectory(stored_points(saved), axis=self.axis, provenance=self.facts, **others)

    def points(self) -> Trajectory:
        """`without_attention`, or a ValueError that names the file where it cannot be read."""
        try:
            return self.without_attention
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"{self.path} is damaged or gone ({error}): make it again") from error

    @cached_property
    def digest(self) -> str:
        return file_digest(self.path)

    def measured(self, preset: str) -> xr.Dataset:
        """What `compare.measure` says of the run, from the file beside it where that is of this run, code and settings.

        Where its attention was not kept, fewer plantings than are asked for stay as they are. Raises ValueError as
        `Trajectory.load` does, and AttentionNotKeptError.
        """
        if self._known(preset) is None or (self._has_attention and not self._is_complete(preset)):
            self.known[preset] = self._measured(preset)
        return self.known[preset]

    @property
    def can_be_measured(self) -> bool:
        """Whether its attention was kept, or all that is measured on it is known."""
        return self._has_attention or all(map(self._is_complete, self.presets))

    @property
    def _has_attention(self) -> bool:
        """Whether nothing is missing that is measured on the attention, be there any or not."""
        made = self.made is not None and self.made.attention is not None
        return made or self.facts.get("attention_kept", True)

    def _is_complete(self, preset: str) -> bool:
        known = self._known(preset)
        return (
            known is not None
            and known.sizes.get("planting", self.settings.plantings) >= self.settings.plantings
        )

    def _known(self, preset: str) -> xr.Dataset | None:
        """What was measured by this code with these draws and seed before."""
        if preset not in self.known:
            kept = kept_table(self._table(preset), self._key(preset))
            if kept is None:
                return None
            self.known[preset] = kept
        return self.known[preset]

    def _measured(self, preset: str) -> xr.Dataset:
        trajectory = Trajectory.load(self.path) if self.made is None else self.made
        if trajectory.attention is None and not self.facts.get("attention_kept", True):
            if self._table(preset).exists() and kept_table(self._table(preset)) is None:
                raise AttentionNotKeptError(
                    f"{self._table(preset)} is damaged, and the attention of its run was not kept: run the `metasphere "
                    "compare` that made it again, which mends it"
                )
            raise AttentionNotKeptError(
                f"{self.path} was measured with other draws, seed or code, and its attention was not kept: ask for the "
                "same, run the `metasphere compare` that made it again, or give another folder"
            )
        plantings = {"plantings": self.settings.plantings} if preset == "calibrated" else {}
        measured = measure_run(trajectory, preset, **self._random(preset), **plantings)
        measured = measured.assign_attrs(key=self._key(preset))
        keep_table(self._table(preset), measured)
        return measured

    def _table(self, preset: str) -> Path:
        return self.path.parent.parent / "measured" / f"{self.path.stem}.{preset}.nc"

    def _random(self, preset: str) -> dict[str, int]:
        return {"draws": self.settings.draws, "seed": self.settings.seed} if preset == "calibrated" else {}

    def _key(self, preset: str) -> str:
        return json.dumps([self.digest, code_digest(measure_run), self._random(preset)], sort_keys=True)


def complete(run: SavedRun) -> SavedRun:
    """A run that has in memory what was measured on it; its points stay in its file."""
    for preset in run.presets:
        run.measured(preset)
    return replace(run, made=None)


def save_run(
    trajectory: Trajectory, path: Path, settings: Settings = Settings(), keep_attention: bool = True
) -> SavedRun:
    """Save a trajectory as the run of a file, with its attention or, as its provenance then says, without it.

    The run that is returned has it in memory. Raises ValueError as `Trajectory.save` does.
    """
    if trajectory.attention is not None and not keep_attention:
        trajectory = replace(trajectory, provenance={**trajectory.provenance, "attention_kept": False})
        replace(trajectory, attention=None).save(path)
    else:
        trajectory.save(path)
    facts = json.loads(json.dumps(trajectory.provenance, sort_keys=True))
    return SavedRun(path, facts, trajectory.axis, settings, trajectory)


def keep_table(path: Path, table: xr.Dataset) -> None:
    """Write a data set of many small variables and its checksum, aside first, as classic NetCDF.

    A variable takes HDF5 some milliseconds, and a table has dozens of them: this is 10 to 20 times as fast. Its
    whole numbers have 32 bits.
    """
    content = sealed(table).to_netcdf(engine="scipy", format="NETCDF3_64BIT")
    write_aside(path, lambda aside: aside.write_bytes(content))


def kept_table(path: Path, key: str | None = None) -> xr.Dataset | None:
    """The data set of a file, if it is whole, what its checksum says and, where a key is given, has this key."""
    try:
        with xr.open_dataset(path) as opened:
            if key not in (None, opened.attrs.get("key")):
                return None
            table = opened.load()
    except (OSError, ValueError, LookupError, RuntimeError, TypeError):
        return None
    whole = intact(table)
    table.attrs.pop(CHECKSUM, None)
    return table if whole else None


def read_run(path: Path, settings: Settings = Settings()) -> SavedRun:
    """The run of a file, of which only the description is read.

    Raises ValueError that names the file where it is not one of ours, by reading all of it.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            facts = json.loads(opened.attrs["provenance"])
            if opened.attrs["schema"] in READ and isinstance(facts, dict):
                return SavedRun(path, facts, str(opened.attrs["axis"]), settings)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError):
        pass
    whole = Trajectory.load(path)
    return SavedRun(path, whole.provenance, whole.axis, settings)


def run_of(key: str, path: Path, settings: Settings = Settings()) -> SavedRun | None:
    """The run of a file, if it is whole and the result of the job with this key; all of it is read."""
    try:
        if read_run(path, settings).facts.get("job") != key:
            return None
        made = Trajectory.load(path)
    except ValueError:
        return None
    return SavedRun(path, made.provenance, made.axis, settings, made)


def run_paths(directory: Path) -> tuple[Path, ...]:
    """The files of the runs of a folder, by name."""
    return tuple(sorted((directory / "runs").glob("*.nc")))


class LeftOutWarning(UserWarning):
    """A file among the runs is left out, as it cannot be one of them."""


@dataclass(frozen=True)
class LeftOut:
    """A file among the runs that cannot be one of them, and why: its name is in the reason."""

    path: Path
    reason: str


def complete_run(path: Path, settings: Settings) -> SavedRun | LeftOut:
    """The run of a file with what was measured on it, or why it cannot be read. Raises AttentionNotKeptError."""
    try:
        return complete(read_run(path, settings))
    except ValueError as error:
        return LeftOut(path, str(error))


def readable(found: Iterable[SavedRun | LeftOut]) -> tuple[list[SavedRun], list[LeftOut]]:
    """What could be read, and what is left out; the user is warned of each that is.

    Raises ValueError, the reason of the first that is left out, where nothing could be read.
    """
    every = list(found)
    runs = [one for one in every if isinstance(one, SavedRun)]
    left_out = [one for one in every if isinstance(one, LeftOut)]
    if not runs:
        raise ValueError(left_out[0].reason)
    for one in left_out:
        warnings.warn(f"left out: {one.reason}", LeftOutWarning, stacklevel=3)
    return runs, left_out
