"""The phase diagram: what the table holds, and that its sentence follows the numbers."""

import numpy as np
import pytest

from compare.experiments.phases import DELTA, PANELS, N, draw, finding, run
from compare.theory import phase_curve


@pytest.fixture(scope="module")
def table():
    return run(0, True)


def test_the_median_merging_time_lies_on_the_curve_in_high_dimension(table):
    np.testing.assert_allclose(table["curve"], phase_curve(table["beta"].values, N, DELTA), rtol=1e-12)
    early = table["beta"].values[:3]
    middle = table["crossing"].sel(share=0.5, d=1024, beta=early).mean("seed")
    # Cosines at d = 1024 are about 0.03 at the start, which moves a merging time by about beta * 0.03^2 and less.
    np.testing.assert_allclose(middle, table["curve"].sel(beta=early), rtol=0.02)


def test_crossings_agree_with_the_recorded_shares(table):
    # The share of pairs is one half within the two recorded times around the crossing of one half.
    step = float(table["time"][1])
    for d in (8, 1024):
        crossing = table["crossing"].sel(share=0.5, d=d).isel(beta=1)
        for seed, moment in zip(crossing["seed"].values, crossing.values):
            line = table["probability"].sel(d=d, seed=seed).isel(beta=1)
            assert line.sel(time=slice(None, moment - step))[-1] <= 0.5
            assert line.sel(time=slice(moment + step, None))[0] >= 0.5


def test_the_switch_sharpens_with_the_dimension(table):
    width = table["width"].dropna("beta")
    assert width.sizes["beta"] >= 2
    # 1024 / 8 = 128: widths go as its root, 11, and by at least 5.
    assert (width.sel(d=8) > 5 * width.sel(d=1024)).all()


def test_the_sentence_follows_the_table(table):
    assert finding(table) == table.attrs["finding"]
    assert "does NOT" not in finding(table)
    late = table.assign(offset=table["offset"] + 0.5)
    assert "does NOT fall on" in finding(late)


def test_figure_is_made_from_the_table_alone(table):
    figure = draw(table)
    titles = [axes.get_title() for axes in figure.axes]
    assert [f"d = {d}" for d in PANELS] == titles[:3]
