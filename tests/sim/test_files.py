"""Files that are whole or not there, what killed processes leave, and the checksum of what a data set holds."""

import os
import subprocess
import sys
import time
from socket import gethostname

import numpy as np
import pytest
import xarray as xr

from sim.files import content_digest, intact, sealed, write_aside


@pytest.fixture
def dataset():
    """Every kind of value and attribute that results have; NaN of both signs, as 0/0 and numpy give them."""
    nan = np.array([np.nan, -np.nan, np.inf, -0.0, 1 / 3])
    return xr.Dataset(
        {
            "numbers": ("x", nan, {"units": "1", "beta": 2.5, "definition": "ß"}),
            "narrow": ("x", nan.astype(np.float32)),
            "counts": ("x", np.arange(5), {"least": 3}),
            "flags": ("x", np.array([True, False, True, True, False])),
            "words": ("y", np.array(["β", ""], dtype=object)),
            "one": ((), np.float64(0.1)),
            "none": (("z", "x"), np.empty((0, 5))),
        },
        coords={"x": np.linspace(0, 1, 5)},
        attrs={
            "key": "k",
            "empty": "",
            "dim": 3,
            "share": 0.1,
            "names": ["a", "b"],
            "single": [1.5],
        },
    )


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_a_checksum_is_the_same_before_and_after_a_file(dataset, tmp_path, engine):
    if engine == "scipy":  # the classic format has neither lists of words nor a length of 0
        dataset = dataset.assign_attrs(names="a b").drop_vars("none")
    path = tmp_path / "table.nc"
    sealed(dataset).to_netcdf(path, engine=engine)
    with xr.open_dataset(path) as opened:
        again = opened.load()
    assert content_digest(again) == content_digest(dataset) == again.attrs["checksum"]
    assert intact(again)


def test_any_change_of_content_is_seen(dataset):
    known = sealed(dataset)
    assert intact(known)
    assert intact(dataset)  # it has no checksum
    changed = [
        known.assign_attrs(key="l"),
        known.assign_attrs(more=1),
        known.assign(more=("x", np.zeros(5))),
        known.drop_vars("one"),
        known.rename(counts="count"),
        known.assign(words=("y", np.array(["β", " "], dtype=object))),
        known.assign(flags=known["flags"].copy(data=~known["flags"].values)),
        known.assign(narrow=known["narrow"].astype(float)),
        known.assign(numbers=known["numbers"].assign_attrs(beta=2.4)),
    ]
    for bit in range(8 * known["numbers"].nbytes):
        if np.isfinite(dataset["numbers"].values[bit // 64]):
            flipped = dataset["numbers"].values.copy()
            flipped.view(np.uint8)[bit // 8] ^= 1 << (bit % 8)
            changed.append(known.assign(numbers=known["numbers"].copy(data=flipped)))
    assert not any(intact(one) for one in changed)


def test_what_a_killed_process_left_is_removed_and_nobody_else_s(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host, me = gethostname(), os.getpid()
    dead, living, elsewhere, fresh, old = (
        tmp_path / f".aside-{name}"
        for name in (
            f"{host}-{ended.pid}-abc_1",
            f"{host}-{me}-abc_2",
            f"other-host-{ended.pid}-abc_3",
            "abc_4",
            "abc_5",
        )
    )
    for folder in (dead, living, elsewhere, fresh, old):
        folder.mkdir()
        (folder / "half.nc").write_text("half")
    long_ago = time.time() - 2 * 86_400
    os.utime(old, (long_ago, long_ago))
    write_aside(tmp_path / "new.txt", lambda aside: aside.write_text("whole"))
    assert {path.name for path in tmp_path.iterdir()} == {"new.txt", living.name, elsewhere.name, fresh.name}
