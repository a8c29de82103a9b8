"""Iterated blocks: the native depth, planted returns and falls, and the sentence's table."""

import numpy as np
import pytest
import xarray as xr

import probe
from compare.experiments import iterated as of_iterated
from compare.experiments.iterated import falls, nearest_return, turned_angle
from compare.metrics.pairwise import kept, mean_cosine
from compare.study.subjects import default_texts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def iterated():
    return of_iterated.run(0, True)


def test_iterations_go_on_from_the_native_depth(iterated):
    text = default_texts()[0]
    own = probe.extract("albert-384", text.text, "layernorm", max_tokens=48)
    told = iterated["mean_cosine"].sel(
        model="albert-384", weights="trained", text=text.name, iteration=range(13)
    )
    # the same block on the same states in single precision
    np.testing.assert_allclose(told, mean_cosine(own.points[:, kept(own, None)]), atol=1e-5)
    assert (iterated["native"] == 12).all()


def test_angles_and_returns_of_tokens_that_go_round():
    turn = 2 * np.pi / 5 * np.arange(41)
    round_and_round = np.stack([np.cos(turn), np.sin(turn)], axis=-1)[:, None]
    straight = np.stack([np.cos(turn / 100), np.sin(turn / 100)], axis=-1)[:, None]
    found = [
        [turned_angle(points, lag).mean() for lag in range(1, 21)] for points in (round_and_round, straight)
    ]
    # five steps are a full turn; chords of unit vectors are good to 1e-15
    np.testing.assert_allclose(found[0][:5], 2 * np.pi / 5 * np.array([1, 2, 2, 1, 0]), atol=1e-12)
    back = nearest_return(
        xr.Dataset({"returned": (("text", "lag"), found)}, coords={"lag": np.arange(1, 21)})
    ).values
    np.testing.assert_allclose(back, [0, 2], atol=1e-9)


def test_falls_count_beyond_native_depth_alone():
    energy = [0.5, 0.1, 0.4, 0.3, 0.6]  # beyond depth 2: down by 0.1, up by 0.3
    table = xr.Dataset({"energy": ("iteration", energy), "native": 2}, coords={"iteration": range(5)})
    assert float(falls(table)) == pytest.approx(0.25)


def test_the_sentence_on_iterations_follows_the_table(iterated):
    assert of_iterated.finding(iterated) == iterated.attrs["finding"]
    spread = 1 - 1e-4 * (1 + xr.DataArray(np.arange(3), dims="text"))
    gone = iterated.assign(mean_cosine=spread + 0 * iterated["mean_cosine"])
    assert "albert-384 has collapsed by block 60" in of_iterated.finding(gone)
    lag, part = iterated["lag"], 1 + 0.01 * xr.DataArray(np.arange(3), dims="text")
    cycle = iterated.assign(returned=(lag % 4 + 0.1) * part + 0 * iterated["returned"])
    assert "and tokens come back" in of_iterated.finding(cycle)
    assert "after 4 to 4 blocks" in of_iterated.finding(cycle)
    drift = iterated.assign(returned=lag * part + 0 * iterated["returned"])
    assert "and tokens drift on" in of_iterated.finding(drift)


def test_what_the_interval_leaves_open_is_said_to_be_open(iterated):
    text = xr.DataArray(np.arange(3), dims="text")
    around = iterated.assign(mean_cosine=0.985 + 0.005 * text + 0 * iterated["mean_cosine"])
    told = of_iterated.finding(around)
    assert "It is not clear whether albert-384 has collapsed by block 60 (mean cosine above 0.99)" in told
    below = iterated.assign(mean_cosine=0.5 + 0.001 * text + 0 * iterated["mean_cosine"])
    assert "albert-384 has not collapsed by block 60" in of_iterated.finding(below)
    steps = (iterated["lag"] == 1) + (iterated["lag"] > 1) * (0.5 + 0.5 * text)
    told = of_iterated.finding(iterated.assign(returned=steps + 0 * iterated["returned"]))
    assert "it is not clear whether tokens come back" in told
    assert "after" not in told


def test_the_figure_of_iterated_is_made_from_the_table_alone(iterated):
    assert len(of_iterated.EXPERIMENT.draw(iterated).axes) == 6
