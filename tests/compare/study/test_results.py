"""What is kept is only taken as it is while it is what was made: to the byte, in its place, and of the same inputs."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray as xr

import compare
from compare.study import plan
from compare.study.jobs import Job
from compare.study.results import (
    AttentionNotKeptError,
    LeftOut,
    LeftOutWarning,
    SavedRun,
    Settings,
    complete_run,
    keep_table,
    kept_table,
    readable,
    run_of,
)
from sim import Trajectory, uniform

SETTINGS = {
    "kind": "SA",
    "beta": 4.0,
    "start": "uniform",
    "tokens": 8,
    "dimension": 3,
    "until": 5.0,
    "depths": 7,
}
JOB = Job("small", "small", "simulate", SETTINGS | {"seed": 0}, {"published": False})
FEW, MORE = Settings(draws=9), Settings(draws=11)


def turn(points):
    """Every point to its opposite: still a valid run."""
    points[...] = -points[...]


DAMAGE = {
    "points": lambda file: turn(file["points"]),
    "one byte": lambda file: file["norms"].write_direct(np.nextafter(file["norms"][...], 2)),
    "provenance": lambda file: file.attrs.modify(
        "provenance", file.attrs["provenance"].replace('"seed": 0', '"seed": 1')
    ),
    "axis": lambda file: file.attrs.modify("axis", "layer"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_run_that_was_changed_by_hand_is_made_again(tmp_path, damage):
    path = plan.run(JOB, tmp_path)
    whole = path.read_bytes()
    with h5py.File(path, "a") as opened:
        DAMAGE[damage](opened)
    assert path.read_bytes() != whole
    with pytest.raises(ValueError, match=r"small\.nc is damaged, or was changed by hand"):
        Trajectory.load(path)
    assert run_of(JOB.key, path) is None
    assert isinstance(complete_run(path, FEW), LeftOut)
    plan.run(JOB, tmp_path)
    assert path.read_bytes() == whole


def test_attention_that_was_measured_is_not_kept_and_made_again_where_it_is_needed(tmp_path):
    (kept,) = plan.work([JOB], tmp_path / "kept", FEW, keep_attention=True)
    (lean,) = plan.work([JOB], tmp_path / "lean", FEW)
    assert Trajectory.load(kept.path).attention is not None
    whole = Trajectory.load(lean.path)
    assert whole.attention is None
    assert whole.provenance["attention_kept"] is False
    np.testing.assert_array_equal(whole.points, Trajectory.load(kept.path).points)
    measured = lean.measured("calibrated")
    xr.testing.assert_equal(measured, kept.measured("calibrated"))
    before = lean.path.stat().st_mtime_ns
    # With the same settings nothing is made again, and the report reads what was measured.
    plan.work([JOB], tmp_path / "lean", FEW)
    found = complete_run(lean.path, FEW)
    assert isinstance(found, SavedRun)
    xr.testing.assert_identical(found.measured("calibrated"), measured)
    assert lean.path.stat().st_mtime_ns == before
    # With others a report cannot measure it, and the study makes it again.
    with pytest.raises(AttentionNotKeptError, match=r"small\.nc was measured with other draws, seed or code"):
        complete_run(lean.path, MORE)
    with pytest.warns(UserWarning, match="the attention of this run was not kept"):
        assert "attention_follow" not in compare.measure(whole, draws=FEW.draws)
    plan.work([JOB], tmp_path / "lean", MORE)
    assert lean.path.stat().st_mtime_ns != before
    again = complete_run(lean.path, MORE)
    assert isinstance(again, SavedRun)
    assert again.measured("calibrated").sizes["draw"] == MORE.draws
    assert "attention_follow" in again.measured("calibrated")
    # More plantings need the attention, so that a report is content with what there is; and they serve as few do.
    planted = replace(MORE, plantings=9)
    for settings, plantings in ((planted, 6), (MORE, 6)):
        found = complete_run(lean.path, settings)
        assert isinstance(found, SavedRun)
        assert found.measured("calibrated").sizes["planting"] == plantings
    plan.work([JOB], tmp_path / "lean", planted)
    before = lean.path.stat().st_mtime_ns
    (found,) = plan.work([JOB], tmp_path / "lean", MORE)
    assert found.measured("calibrated").sizes["planting"] == 9
    assert lean.path.stat().st_mtime_ns == before
    # Whoever asks for the attention gets it.
    plan.work([JOB], tmp_path / "lean", MORE, keep_attention=True)
    assert Trajectory.load(lean.path).attention is not None
    plan.work([JOB], tmp_path / "lean", FEW)
    assert Trajectory.load(plan.run(JOB, tmp_path / "lean")).attention is not None


def test_a_damaged_table_of_a_run_without_attention_is_named(tmp_path):
    (made,) = plan.work([JOB], tmp_path, FEW)
    table = tmp_path / "measured" / "small.calibrated.nc"
    whole = table.read_bytes()
    table.write_bytes(whole[:-1])
    with pytest.raises(AttentionNotKeptError, match=r"small\.calibrated\.nc is damaged"):
        complete_run(made.path, FEW)
    plan.work([JOB], tmp_path, FEW)
    assert table.read_bytes() == whole


@pytest.mark.parametrize("provenance", ["[1, 2]", "3", "null"])
def test_a_run_whose_provenance_says_nothing_is_left_out(tmp_path, provenance):
    path = plan.run(JOB, tmp_path)
    with h5py.File(path, "a") as opened:
        opened.attrs["provenance"] = provenance
    found = complete_run(path, FEW)
    assert isinstance(found, LeftOut)
    assert "small.nc is damaged" in found.reason


def test_a_run_of_which_one_table_is_missing_is_made_again(tmp_path):
    """Killed between the two presets: what was measured first does not stand for the other."""
    both = Job("small", "small", "simulate", SETTINGS | {"seed": 0}, {"published": True})
    (made,) = plan.work([both], tmp_path, FEW)
    assert made.presets == ("calibrated", "published")
    for preset in made.presets:
        table = tmp_path / "measured" / f"small.{preset}.nc"
        before = table.read_bytes()
        table.unlink()
        with pytest.raises(AttentionNotKeptError):
            complete_run(made.path, FEW)
        plan.work([both], tmp_path, FEW)
        assert table.read_bytes() == before


def test_a_report_is_not_replaced_by_one_of_the_runs_that_can_still_be_measured(tmp_path):
    plan.work([JOB], tmp_path, FEW)
    facts = {"label": "bare", "group": "bare"}
    bare = Trajectory(np.stack([uniform(8, 3)] * 7), np.arange(7.0), provenance=facts)
    bare.save(tmp_path / "runs" / "bare.nc")
    page = compare.report(tmp_path, draws=FEW.draws)
    before = page.read_bytes()
    with pytest.raises(RuntimeError, match="its attention was not kept: ask for the same"):
        compare.report(tmp_path, draws=MORE.draws)
    assert page.read_bytes() == before


def test_a_single_run_has_its_attention_whatever_a_study_left(tmp_path):
    plan.work([JOB], tmp_path, FEW)
    assert Trajectory.load(plan.run(JOB, tmp_path)).attention is not None


def test_a_measured_table_with_a_flipped_byte_is_made_again(tmp_path):
    plan.work([JOB], tmp_path, FEW)
    (path,) = (tmp_path / "measured").iterdir()
    whole = path.read_bytes()
    with xr.open_dataset(path) as opened:
        values = opened["mean_cosine"].values.astype(">f8").tobytes()
    for place in whole.index(values) + np.linspace(0, len(values) - 1, 5).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        plan.work([JOB], tmp_path, FEW)
        assert path.read_bytes() == whole


def test_a_table_says_what_it_holds_in_every_byte_of_its_values(tmp_path):
    path = tmp_path / "table.nc"
    table = xr.Dataset({"value": ("x", np.linspace(1, 2, 40))}, attrs={"key": "k"})
    keep_table(path, table)
    kept = kept_table(path, "k")
    assert kept is not None
    xr.testing.assert_identical(kept, table)
    whole = path.read_bytes()
    for place in range(len(whole) - 320, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :])
        assert kept_table(path) is None


def test_runs_of_one_s_own_need_no_checksum(tmp_path):
    path = tmp_path / "own.nc"
    own = Trajectory(np.stack([uniform(5, 3)] * 3), [0.0, 1.0, 2.0])
    own.save(path)
    with h5py.File(path, "a") as opened:
        del opened.attrs["checksum"]
        turn(opened["points"])
    np.testing.assert_array_equal(Trajectory.load(path).points, -own.points)


def test_what_cannot_be_read_is_left_out_with_a_warning_unless_nothing_is_left(tmp_path):
    (tmp_path / "runs").mkdir()
    foreign = tmp_path / "runs" / "foreign.nc"
    xr.Dataset({"temperature": ("x", [1.0])}).to_netcdf(foreign, engine="h5netcdf")
    broken = tmp_path / "runs" / "broken.nc"
    broken.write_text("no NetCDF")
    left = [complete_run(path, FEW) for path in (foreign, broken)]
    with pytest.raises(ValueError, match=r"foreign\.nc"):
        readable(left)
    own = complete_run(plan.run(JOB, tmp_path), FEW)
    with pytest.warns(LeftOutWarning, match=r"left out: .*(foreign|broken)\.nc") as warned:
        runs, left_out = readable([own, *left])
    assert len(warned) == 2
    assert all(isinstance(run, SavedRun) for run in runs)
    assert [one.path for one in left_out] == [foreign, broken]
    assert foreign.exists()
