"""Pictures of sweeps: what is drawn, and that no two labels touch."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

import compare
from compare.plot.figure import draw
from compare.plotting import STYLE

BETAS, DIMS, SEEDS = [0.5, 1.0, 2.0, 4.0], [2, 3, 8, 512], [0, 1, 2]


@pytest.fixture
def table():
    """Times of collapse d beta (1 + seed), of which the hottest cells in d = 512 have none."""
    dims = ("kind", "n", "d", "beta", "seed")
    times = np.einsum("d,b,s->dbs", DIMS, BETAS, [1.0, 2.0, 3.0])[None, None]
    times[..., 3, 3, 1] = np.nan
    coords = {"kind": ["SA"], "n": [64], "d": DIMS, "beta": BETAS, "seed": SEEDS, "time": [0.0, 1.0]}
    made = xr.Dataset({"collapse_time": (dims, times)}, coords=coords)
    made["mean_cosine"] = made["collapse_time"] * xr.DataArray([0.0, 1.0], dims="time") / 1e4
    made["collapse_time"].attrs = {"long_name": "time of collapse: first t", "units": "t"}
    made["beta"].attrs = {"long_name": "inverse temperature"}
    made["d"].attrs = {"long_name": "dimension: the sphere is S^(d-1)"}
    yield made
    plt.close("all")


def heights(line):
    return np.asarray(line.get_ydata())


def test_a_phase_diagram_shows_the_median_over_seeds(table):
    axes = compare.plot.sweep(table, "collapse_time", x="beta", y="d")
    assert isinstance(axes, Axes)
    drawn = axes.collections[0].get_array()
    expected = 2 * np.outer(DIMS, BETAS)
    assert drawn is not None
    np.testing.assert_allclose(drawn[:3], expected[:3])
    assert np.ma.getmaskarray(drawn)[3].tolist() == [False, False, False, True]
    assert axes.get_xlabel() == "inverse temperature beta"
    assert axes.get_ylabel() == "dimension d"
    assert "kind SA, n 64" in axes.get_title()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "3", "8", "512"]


def test_curves_have_intervals_over_seeds_and_closed_forms_over_them(table):
    axes = compare.plot.sweep(
        table, x="beta", curves="d", over={"law": lambda at: 2 * at["d"] * np.asarray(at["beta"])}
    )
    assert axes.get_ylabel() == "time of collapse (t)"
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(heights(lines["d 3"]), 6 * np.asarray(BETAS))
    np.testing.assert_allclose(heights(lines["law, d 3"]), heights(lines["d 3"]))
    assert np.isnan(heights(lines["d 512"])[3])
    band = np.asarray(axes.collections[1].get_paths()[0].vertices)[:, 1]
    # The tenth and ninetieth percentile of 1, 2, 3 are 1.2 and 2.8.
    assert np.min(band) == pytest.approx(1.2 * 3 * 0.5)
    assert np.max(band) == pytest.approx(2.8 * 3 * 4.0)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"name": "entropy"}, "no variable entropy"),
        ({"x": "depth"}, "no axis depth"),
        ({"x": "beta", "y": "beta"}, "different axes"),
        ({"x": "beta"}, "d has several values"),
        ({"x": "beta", "at": {"d": 5}}, "never 5"),
        ({"x": "beta", "y": "d", "curves": "n"}, "leave out one"),
    ],
)
def test_bad_wishes_are_one_line(table, settings, word):
    with pytest.raises(ValueError, match=word) as caught:
        compare.plot.sweep(table, **settings)
    assert "\n" not in str(caught.value)


def test_tables_of_every_form_are_read(table, tmp_path):
    table.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    table.to_zarr(tmp_path / "a.zarr", zarr_format=2)
    for name in ("a.nc", "a.zarr"):
        axes = compare.plot.sweep(tmp_path / name, x="beta", at={"d": 3})
        np.testing.assert_allclose(heights(axes.get_lines()[0]), 6 * np.asarray(BETAS))
    with pytest.raises(ValueError, match="not the table of a sweep"):
        compare.plot.sweep(tmp_path / "absent.nc")


def test_the_page_of_all_pictures_has_no_labels_that_touch(table, tmp_path, monkeypatch):
    pages = []
    close = plt.figure
    monkeypatch.setattr(plt, "figure", lambda *a, **k: pages.append(close(*a, **k)) or pages[-1])
    path = draw(table, tmp_path / "a.png")
    assert path.stat().st_size > 10_000
    (page,) = pages
    assert len(page.axes) == 6  # a diagram with its colour bar and the curves, of two variables
    with plt.rc_context(STYLE):
        page.canvas.draw()
    texts = [text for axes in page.axes for text in (axes.xaxis.label, axes.yaxis.label, axes.title)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
