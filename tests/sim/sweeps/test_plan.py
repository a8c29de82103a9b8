"""Grids, their cells and their tables, and what of them is refused."""

import numpy as np
import pytest

from sim.sweeps.plan import cells_in, planned
from sim.sweeps.sweep import sweep

GRID = {"beta": [1.0, 2.0, 3.0], "d": [2, 3, 40], "n": [4, 5], "seeds": 5}
TIMES = [0.0, 1.0]


def pair_of_vectors(x, beta):
    del beta
    return {"heights": x[:, 0], "lengths": x}


def test_chunks_hold_each_cell_once_and_one_shape_class():
    plan = planned({**GRID, "kind": ["SA", "USA"]}, TIMES, "mean_cosine")
    assert plan.cells == 2 * 2 * 3 * 3 * 5
    for most in (1, 4, 7, 64):
        shape = plan.chunk_shape(most)
        seen = [cell for chunk in plan.chunks(shape) for cell in plan.cells_of(chunk)]
        assert len(seen) == len(set(seen)) == plan.cells
        for chunk in plan.chunks(shape):
            assert cells_in(chunk) <= most
            assert len({(plan.shape_class(cell), cell.n, cell.span) for cell in plan.cells_of(chunk)}) == 1
    # d = 40 runs in n dimensions, so there are three shape classes for each kind and n.
    assert len(plan.classes()) == 12


def test_vectors_take_the_length_of_the_longest():
    table = sweep({**GRID, "beta": 1.0, "seeds": 1, "d": 2}, TIMES, pair_of_vectors)
    assert table["heights"].dims[-2:] == ("time", "heights_0")
    assert table["lengths"].shape[-2:] == (5, 2)
    short = table["heights"].sel(n=4).squeeze()
    assert np.isnan(short[:, 4]).all()
    assert np.isfinite(short[:, :4]).all()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"beta": [True]}, "beta must be numbers"),
        ({"beta": ["1"]}, "beta must be numbers"),
        ({"beta": []}, "no values"),
        ({"beta": [float("nan")]}, "finite"),
        ({"causal": "no"}, "true or false"),
        ({"causal": [0, 1]}, "true or false"),
        ({"n": 2.5}, "whole numbers"),
        ({"d": [1]}, "at least 2"),
        ({"seed": -1, "seeds": 2}, "both"),
        ({"seeds": 0}, "seeds"),
        ({"norm": ["layer"]}, "norm"),
        ({"norm": "mix"}, "tau"),
        ({"norm": "sqrt"}, "t = 1"),
        ({"clock": "survey", "kind": "USA", "beta": 800.0}, "overflow"),
        ({"start": "middle"}, "uniform, caps"),
        ({"start": "absent.npy"}, "cannot read"),
    ],
)
def test_bad_axes_are_one_line(change, word):
    with pytest.raises(ValueError, match=word) as caught:
        planned({**GRID, **change}, TIMES, "mean_cosine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("observe", "more", "word"),
    [
        ("entropy", {}, "mean_cosine"),
        ([], {}, "observe must be"),
        (["energy", "energy"], {}, "once"),
        ("clusters", {"radius": 4.0}, "radius"),
        ("mergers", {"causal": True}, "causal"),
        ("energy", {"tau": 1.0}, "tau"),
        ("energy", {"rtol": 0.0}, "rtol"),
    ],
)
def test_bad_settings_are_one_line(observe, more, word):
    with pytest.raises(ValueError, match=word) as caught:
        planned(GRID, TIMES, observe, **more)
    assert "\n" not in str(caught.value)


def test_starts_come_from_a_file(tmp_path):
    points = np.stack([np.roll(np.eye(4, 3) + 1e-3, seed, axis=1) for seed in range(2)])
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    np.save(tmp_path / "own.npy", points)
    own = str(tmp_path / "own.npy")
    grid = {"beta": 1.0, "d": 3, "n": 4, "seeds": 2, "start": own}
    plan = planned(grid, TIMES, "mean_cosine")
    np.testing.assert_allclose(plan.start(plan.cell((0, 0, 0, 0, 0, 1))), points[1], atol=1e-15)
    for change, word in (({"n": 5}, "ask"), ({"seeds": 3}, "seed")):
        with pytest.raises(ValueError, match=word):
            planned(grid | change, TIMES, "mean_cosine")
    np.save(tmp_path / "own.npy", 2 * points)
    with pytest.raises(ValueError, match="unit length"):
        planned(grid, TIMES, "mean_cosine")


def test_a_table_that_does_not_fit_says_how_many_cells_and_how_large(tmp_path):
    grid = {"beta": np.arange(100.0), "d": 3, "n": 4, "seeds": 20_000}
    for store in (None, tmp_path / "a.zarr"):
        with pytest.raises(ValueError, match=r"2,000,000 cells are a table of .* GB") as caught:
            sweep(grid, np.arange(30000.0), store=store)
        assert "free" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
