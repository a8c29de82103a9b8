"""The record that joins the instruments: what it fills in, what it refuses, and its file."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import xarray as xr


def example(**changed):
    import sim

    x = np.stack([sim.uniform(3, 4, seed) for seed in (0, 1)])
    given: dict[str, Any] = {"points": x, "depth": np.array([0.0, 1.5])} | changed
    return sim.Trajectory(**given)


def full():
    random = np.random.default_rng(0)
    attention = random.random((2, 5, 3, 3))
    attention /= attention.sum(axis=-1, keepdims=True)
    attention[1] = np.nan
    return example(
        depth=np.array([0, 1]),
        axis="layer",
        norms=random.random((2, 3)) + 1,
        masses=np.array([0.5, 0.25, 0.25]),
        tokens=["[CLS]", "Gödel", " a\n"],
        special=np.array([True, False, False]),
        attention=attention,
        provenance={"beta": 2.5, "seed": 3, "versions": {"jax": "0"}, "none": None},
    )


def test_what_is_not_given_is_filled_in():
    record = example()
    np.testing.assert_array_equal(record.norms, np.ones((2, 3)))
    np.testing.assert_allclose(record.masses, 1 / 3)
    np.testing.assert_array_equal(record.special, [False] * 3)
    assert record.tokens == ("0", "1", "2")
    assert record.axis == "time"
    assert record.attention is None
    assert record.provenance == {}
    assert record.points.dtype == np.float64


@pytest.mark.parametrize("make", [example, full])
def test_a_file_gives_back_every_field(make, tmp_path):
    import sim

    record = make()
    record.save(tmp_path / "new" / "run.nc")
    again = sim.Trajectory.load(tmp_path / "new" / "run.nc")
    for field in fields(record):
        before, after = getattr(record, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(after, before)
            assert after.dtype == before.dtype
        else:
            assert after == before
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.nc"]


def test_the_file_names_its_axes(tmp_path):
    full().save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"depth": 2, "token": 3, "dim": 4, "head": 5, "key_token": 3}


def test_saving_replaces_a_file(tmp_path):
    import sim

    example().save(tmp_path / "run.nc")
    full().save(tmp_path / "run.nc")
    assert sim.Trajectory.load(tmp_path / "run.nc").axis == "layer"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_off_is_refused(tmp_path, keep):
    import sim

    path = tmp_path / "run.nc"
    full().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        sim.Trajectory.load(path)


def test_other_files_are_refused(tmp_path):
    import sim

    with pytest.raises(ValueError, match="no file at"):
        sim.Trajectory.load(tmp_path / "missing.nc")
    (tmp_path / "notes.nc").write_text("not a data set")
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        sim.Trajectory.load(tmp_path / "notes.nc")
    xr.Dataset(attrs={"schema": "metasphere/trajectory/0"}).to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"metasphere/trajectory/0.*make it again with this version"):
        sim.Trajectory.load(tmp_path / "old.nc")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="give a folder that can be written"):
        example().save(tmp_path / "file" / "run.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    example().save(path)
    before = path.read_bytes()

    def full_disk(self, aside, **options):
        with open(aside, "wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full_disk)
    with pytest.raises(OSError, match="no space left"):
        full().save(path)
    assert [each.name for each in tmp_path.iterdir()] == ["run.nc"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": np.ones((2, 3))}, r"points must have shape \(depth, token, dim\)"),
        ({"points": np.ones((2, 3, 1))}, "dim at least 2"),
        ({"points": np.ones((2, 3, 4))}, "got a row of length 2: divide each row by its length"),
        ({"points": np.full((2, 3, 4), np.nan)}, "unit rows"),
        ({"depth": np.array([0.0])}, r"depth must have shape \(2,\)"),
        ({"depth": np.array([1.0, 1.0])}, "strictly increasing"),
        ({"depth": np.array([0.0, np.nan])}, "finite and strictly increasing"),
        ({"norms": np.ones(3)}, r"norms must have shape \(2, 3\)"),
        ({"masses": np.array([0.5, 0.5])}, r"masses must have shape \(3,\)"),
        ({"masses": np.array([0.5, 0.5, 0.5])}, "sum to 1"),
        ({"masses": np.array([1.0, 0.5, -0.5])}, "positive"),
        ({"tokens": ["a"]}, "got 1 names"),
        ({"special": np.array([True])}, "special must have shape"),
        ({"attention": np.ones((2, 3, 3))}, r"attention must have shape \(2, head, 3, 3\)"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message):
        example(**changed)


def test_points_may_be_off_by_a_millionth():
    import sim

    x = sim.uniform(3, 4)[None]
    sim.Trajectory(x * (1 + 9e-7), np.zeros(1))
    with pytest.raises(ValueError, match="unit rows"):
        sim.Trajectory(x * (1 + 2e-6), np.zeros(1))
