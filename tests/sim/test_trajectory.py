"""The record that joins the instruments: what it fills in, what it refuses, and its file."""

import tracemalloc
from dataclasses import fields
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sim
from sim.files import write_aside
from sim.trajectory import in_single_precision


def example(**changed):
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


def of_single_precision():
    """As a model gives it: points are vectors of single precision over their lengths."""
    vectors = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32).astype(np.float64)
    norms = np.sqrt(np.sum(vectors**2, axis=2))
    return example(points=vectors / norms[..., None], norms=norms)


def test_a_record_prints_as_one_line():
    points = np.broadcast_to(np.eye(2, 3), (4, 2, 3))
    run = sim.Trajectory(points, [0, 1, 2, 1e6], provenance={"kind": "USA", "beta": 9.0})
    assert repr(run) == "<Trajectory: 4 depths (time 0 to 1e+06), 2 tokens in 3 dimensions, USA, beta 9>"
    read = sim.Trajectory(points[:1], [0], "layer", provenance={"model": "gpt2"})
    assert repr(read) == "<Trajectory: 1 depths (layer 0 to 0), 2 tokens in 3 dimensions, gpt2>"


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


@pytest.mark.parametrize("make", [example, full, of_single_precision])
def test_a_file_gives_back_every_field(make, tmp_path):
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


def test_vectors_of_single_precision_take_half_the_space_and_come_back_to_the_last_bit(tmp_path):
    record = of_single_precision()
    record.save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        assert "points" not in dataset
        assert dataset["vectors"].dtype == np.float32
        np.testing.assert_array_equal(dataset["vectors"] / dataset["norms"], record.points)
    np.testing.assert_array_equal(sim.Trajectory.load(tmp_path / "run.nc").points, record.points)


def test_a_run_in_single_precision_moves_by_less_than_models_know_and_is_kept_as_vectors(tmp_path):
    run = full()
    rounded = in_single_precision(run)
    np.testing.assert_allclose(
        rounded.points, run.points, atol=2**-24, rtol=0
    )  # half a unit in the last place of 1
    np.testing.assert_allclose(rounded.norms, run.norms, rtol=2**-24)
    assert (rounded.points != run.points).any()
    for field in fields(run):
        if field.name not in ("points", "norms"):
            np.testing.assert_array_equal(getattr(rounded, field.name), getattr(run, field.name))
    rounded.save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        assert "vectors" in dataset
    np.testing.assert_array_equal(in_single_precision(rounded).points, rounded.points)


@pytest.mark.parametrize("scale", [1 + 1e-15, 1e39, 1e-46, 0.0])
def test_points_that_single_precision_would_change_are_kept_in_double(tmp_path, scale):
    record = of_single_precision()
    record = example(points=record.points, norms=record.norms * scale)
    record.save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        assert "vectors" not in dataset
        np.testing.assert_array_equal(dataset["points"], record.points)


def test_a_file_of_the_first_schema_is_read(tmp_path):
    full().save(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc", "a") as file:
        file.attrs["schema"] = "metasphere/trajectory/1"
        del file.attrs["checksum"]
    np.testing.assert_array_equal(sim.Trajectory.load(tmp_path / "run.nc").points, full().points)


def test_the_file_names_its_axes(tmp_path):
    full().save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        assert dict(dataset.sizes) == {"depth": 2, "token": 3, "dim": 4, "head": 5, "key_token": 3}


def test_saving_replaces_a_file(tmp_path):
    example().save(tmp_path / "run.nc")
    full().save(tmp_path / "run.nc")
    assert sim.Trajectory.load(tmp_path / "run.nc").axis == "layer"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_off_is_refused(tmp_path, keep):
    path = tmp_path / "run.nc"
    full().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        sim.Trajectory.load(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no file at"):
        sim.Trajectory.load(tmp_path / "missing.nc")
    (tmp_path / "notes.nc").write_text("not a data set")
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        sim.Trajectory.load(tmp_path / "notes.nc")
    xr.Dataset(attrs={"schema": "metasphere/trajectory/0"}).to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"metasphere/trajectory/0.*make it again with this version"):
        sim.Trajectory.load(tmp_path / "old.nc")


@pytest.mark.parametrize("name", ["points", "depth", "norms", "masses", "tokens", "special"])
def test_a_file_without_a_variable_is_refused(tmp_path, name):
    full().save(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as dataset:
        dataset.drop_vars(name).to_netcdf(tmp_path / "less.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=rf"less\.nc has no {name}: make it again$"):
        sim.Trajectory.load(tmp_path / "less.nc")


@pytest.mark.parametrize(("name", "value"), [("norms", 0), ("norms", 2), ("vectors", np.nan)])
def test_vectors_that_do_not_fit_their_lengths_are_refused(tmp_path, name, value):
    of_single_precision().save(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc", "a") as file:
        holding(name, value)(file)
    with pytest.raises(ValueError, match=r"is damaged.*(unit rows|NaN)"):
        sim.Trajectory.load(tmp_path / "run.nc")


def holding(name, value):
    def damage(file):
        file[name][0] = value

    return damage


def saying(name, value):
    def damage(file):
        file.attrs[name] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.attrs.__delitem__("axis"), "has no axis"),
        (saying("axis", "depth"), "is damaged.*axis must be"),
        (lambda file: file.attrs.__delitem__("provenance"), "has no provenance"),
        (saying("provenance", '{"seed": '), "is damaged.*line 1 column"),
        (saying("provenance", "[]"), r"is damaged.*JSON object, got \[\]"),
        (holding("points", 2), "is damaged.*unit rows"),
        (holding("norms", -1), "is damaged.*norms must be finite"),
        (holding("masses", 0), "is damaged.*masses must be positive"),
        (holding("attention", 1), "is damaged.*attention must have rows"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_names_it(tmp_path, damage, message):
    path = tmp_path / "run.nc"
    full().save(path)
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(ValueError, match=rf"^.*run\.nc {message}") as refused:
        sim.Trajectory.load(path)
    assert "make it again" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path):
    example().save(tmp_path / "run.nc")
    (tmp_path / "plain").touch()
    assert (tmp_path / "run.nc").stat().st_mode == (tmp_path / "plain").stat().st_mode


def in_place_of_its_folder(folder):
    (folder / "runs").write_text("in the way")


def in_its_own_place(folder):
    (folder / "runs" / "run.nc").mkdir(parents=True)


@pytest.mark.parametrize("obstacle", [in_place_of_its_folder, in_its_own_place])
def test_a_place_that_cannot_be_written(tmp_path, obstacle):
    obstacle(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"^cannot write .*run\.nc \(.+\): give a path that can be written$"):
        example().save(tmp_path / "runs" / "run.nc")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def files_of_at_most_a_kilobyte():
    """What a full disk does to a file that grows, without filling one."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, most))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))


@pytest.mark.parametrize("existing", [True, False])
def test_a_write_that_fails_half_way_leaves_what_was_there(tmp_path, existing, request):
    path = tmp_path / "run.nc"
    if existing:
        example().save(path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    request.getfixturevalue("files_of_at_most_a_kilobyte")
    with pytest.raises(ValueError, match=r"^cannot write .*run\.nc \(File too large\)"):
        full().save(path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ZeroDivisionError])
def test_other_faults_pass_and_leave_nothing(tmp_path, fault):
    def write(aside):
        aside.write_text("half")
        raise fault

    with pytest.raises(fault):
        write_aside(tmp_path / "run.txt", write)
    assert not list(tmp_path.iterdir())


def rows(*changes):
    """Attention of one head, even but for these entries."""
    attention = np.full((2, 1, 3, 3), 1 / 3)
    for index, value in changes:
        attention[index] = value
    return attention


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": np.ones((2, 3))}, r"points must have shape \(depth, token, dim\)"),
        ({"points": np.ones((2, 3, 1))}, "dim at least 2"),
        ({"points": np.ones((2, 3, 4))}, "got a row of length 2: divide each row by its length"),
        ({"points": np.full((2, 3, 4), np.nan)}, "got NaN at depth 0, token 0"),
        ({"depth": np.array([0.0])}, r"depth must have shape \(2,\)"),
        ({"depth": np.array([1.0, 1.0])}, "strictly increasing"),
        ({"depth": np.array([0.0, np.nan])}, "finite and strictly increasing"),
        ({"norms": np.ones(3)}, r"norms must have shape \(2, 3\)"),
        ({"norms": np.array([[1, 1, np.nan], [1, 1, 1]])}, "norms must be finite and at least 0, got nan"),
        (
            {"norms": np.array([[1, 1, 1], [1, np.inf, 1]])},
            "norms must be finite and at least 0, got 1 to inf",
        ),
        ({"norms": np.array([[1, 1, 1], [1, 1, -2]])}, "norms must be finite and at least 0, got -2 to 1"),
        ({"masses": np.array([0.5, 0.5])}, r"masses must have shape \(3,\)"),
        ({"masses": np.array([0.5, 0.5, 0.5])}, "sum to 1"),
        ({"masses": np.array([1.0, 0.5, -0.5])}, "positive"),
        ({"tokens": ["a"]}, "got 1 names"),
        ({"special": np.array([True])}, "special must have shape"),
        ({"attention": np.ones((2, 3, 3))}, r"attention must have shape \(2, head, 3, 3\)"),
        ({"attention": rows(((1, 0, 2), [0.5, 0.5, 2e-4]))}, "attention must have rows .* of sum 1.0002:"),
        ({"attention": rows(((0, 0, 1), [-0.1, 0.6, 0.5]))}, "got a row from -0.1 of sum 1:"),
        ({"attention": rows(((0, 0, 1, 2), np.nan))}, "got a row from 0.333333 of sum nan:"),
        ({"attention": rows(((0, 0, 1), [np.inf, -np.inf, 1]))}, "got a row from -inf of sum nan:"),
        ({"attention": rows(((0, 0, 1), 0))}, "got a row from 0 of sum 0:"),
    ],
)
def test_bad_input(changed, message):
    with pytest.raises(ValueError, match=message) as refused:
        example(**changed)
    assert "\n" not in str(refused.value)


def test_rows_of_attention_may_be_nan_throughout_or_off_by_a_ten_thousandth():
    attention = rows(((0, 0, 1), np.nan), ((1, 0, 2), [0.5, 0.5, 9e-5]), ((1, 0, 0), [0, 0, 1]))
    np.testing.assert_array_equal(example(attention=attention).attention, attention)


def test_checking_attention_takes_little_memory():
    depths, heads, tokens = 2, 8, 300
    points = np.broadcast_to([1.0, 0.0], (depths, tokens, 2))
    attention = np.full((depths, heads, tokens, tokens), 1 / tokens, np.float32)
    sim.Trajectory(points, np.arange(depths), attention=attention)
    tracemalloc.start()
    record = sim.Trajectory(points, np.arange(depths), attention=attention)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.attention is not None
    assert np.shares_memory(record.attention, attention)
    assert most < attention.nbytes / 8


def test_points_may_be_off_by_a_millionth():
    x = sim.uniform(3, 4)[None]
    sim.Trajectory(x * (1 + 9e-7), np.zeros(1))
    with pytest.raises(ValueError, match="unit rows"):
        sim.Trajectory(x * (1 + 2e-6), np.zeros(1))
