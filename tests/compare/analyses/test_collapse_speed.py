"""Speeds of collapse with known answers, and correlations over a handful of models that must not claim too much."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import sim
from compare.analyses.collapse_speed import PREDICTORS, collapse, collapse_speed, of_model
from compare.analyses.idealised import effective_time, idealised_blocks
from compare.statistics import association


def model_run(points, name="toy", init="trained", scheme="post"):
    facts = {"model": name, "init": init, "scheme": scheme, "causal": False}
    return sim.Trajectory(points, np.arange(len(points)), "layer", provenance=facts)


def contracting(rate, depths=7, tokens=6, width=5):
    """Points whose 1 - rho falls by e^(-rate) a layer: a cone about one axis that closes."""
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((tokens, tokens)))[0][:, : width - 1]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    spread = 1 - np.mean([a @ b for k, a in enumerate(directions) for b in directions[:k]])
    layers = []
    for layer in range(depths):
        sine = np.sqrt(0.3 * np.exp(-rate * layer) / spread)
        layers.append(np.column_stack([np.full(tokens, np.sqrt(1 - sine**2)), sine * directions]))
    return np.stack(layers)


def test_speed_of_a_cone_that_closes():
    run = model_run(contracting(0.4))
    found = collapse_speed(run, 2.0)
    np.testing.assert_allclose(found.per_layer, 0.4, rtol=1e-10)
    clock = effective_time(run, 2.0)
    logs = -0.4 * np.arange(7.0)
    slope = np.sum((clock - clock.mean()) * logs) / np.sum((clock - clock.mean()) ** 2)
    np.testing.assert_allclose(found.per_time, -slope, rtol=1e-10)
    opening = model_run(contracting(0.4)[::-1])
    np.testing.assert_allclose(collapse_speed(opening, 2.0).per_layer, -0.4, rtol=1e-10)


def test_speed_of_idealised_blocks_near_consensus():
    """Post-LN near consensus: 1 - rho falls by 4 a block, ln 4 a layer, 2 ln 4 per unit of time (a block is 1/2)."""
    start = contracting(0.0, depths=6) * 1.0
    tight = start.copy()
    tight[..., 1:] *= 0.08
    tight /= np.linalg.norm(tight, axis=-1, keepdims=True)
    found = collapse_speed(idealised_blocks(model_run(tight[:4]), 1.0), 1.0)
    # x + A of close points is their midpoint with the mean, so chords halve; the cone's opening of 0.04 rad remains
    np.testing.assert_allclose(found, [np.log(4), 2 * np.log(4)], rtol=0.02)


def test_depths_within_rounding_are_left_out():
    run = model_run(contracting(3.0, depths=9))
    noisy = run.points.copy()
    noisy[5:] = noisy[4]  # 1 - rho stays where single precision would leave it
    np.testing.assert_allclose(collapse_speed(model_run(noisy), 1.0).per_layer, 3.0, rtol=1e-10)
    assert np.isnan(collapse_speed(model_run(run.points[3:]), 1.0)).all()


def rank_correlation(left, right):
    return np.corrcoef(np.argsort(np.argsort(left)), np.argsort(np.argsort(right)))[0, 1]


def test_permutation_p_by_enumeration():
    random = np.random.default_rng(2)
    left, right = random.standard_normal((2, 6))
    found = association(left, right)
    own = rank_correlation(left, right)
    others = [rank_correlation(left, right[list(order)]) for order in permutations(range(6))]
    np.testing.assert_allclose(found.correlation, own, rtol=1e-12)
    np.testing.assert_allclose(found.p, np.mean(np.abs(others) >= abs(own) - 1e-9), rtol=1e-12)
    np.testing.assert_allclose(found.least_p, 2 / 720, rtol=1e-12)
    assert found.low < own < found.high


@pytest.mark.parametrize(("models", "least"), [(4, 2 / 24), (5, 2 / 120), (8, 2 / 40320)])
def test_a_perfect_order_can_say_no_more_than_this(models, least):
    """Four models never give p < 0.05, however well they line up, and their interval holds 0."""
    found = association(np.arange(models), np.arange(models) ** 3)
    assert found.correlation == pytest.approx(1)
    assert found.p == pytest.approx(least)
    assert found.least_p == pytest.approx(least)
    assert (found.low < 0) == (models == 4)
    assert found.high < 1


def test_ties_raise_the_least_p():
    """Three of four widths equal: only where the odd one stands can differ."""
    found = association([1.0, 2, 3, 4], [128, 128, 128, 256])
    assert found.p == pytest.approx(0.5)
    assert found.least_p == pytest.approx(0.5)


def test_false_alarms_and_coverage_at_six_models():
    """On 400 tables of unrelated numbers p < 0.05 in at most 5 %, and the interval holds 0 in at least 92 %."""
    random = np.random.default_rng(3)
    found = [association(*random.standard_normal((2, 6))) for _ in range(400)]
    # binomial standard error 1.1 %
    assert np.mean([each.p < 0.05 for each in found]) < 0.075
    assert np.mean([each.low <= 0 <= each.high for each in found]) > 0.92


def test_many_models_are_sampled():
    random = np.random.default_rng(4)
    left = random.standard_normal(11)
    right = left + 0.8 * random.standard_normal(11)
    found = association(left, right, seed=1)
    assert found == association(left, right, seed=1)
    known: Any = stats.spearmanr(left, right)
    assert found.correlation == pytest.approx(known.statistic)
    assert 0 < found.p < 5 * known.pvalue + 1e-3


def test_too_few_or_undefined_models():
    assert np.isnan(association([1.0, 2, 3], [1.0, 2, 3])[:5]).all()
    assert np.isnan(association([1.0, 2, 3, 4], [7.0, 7, 7, 7])[:5]).all()
    found = association([1.0, 2, 3, 4, np.nan], [1.0, 2, 3, 5, 4])
    assert found.models == 4
    with pytest.raises(ValueError, match="one number a model"):
        association(np.ones((2, 2)), np.ones((2, 2)))


def test_table_of_models():
    rates = (0.1, 0.3, 0.2, 0.5, 0.4)
    rows = []
    for number, rate in enumerate(rates):
        runs = [model_run(contracting(factor * rate), f"toy {number}") for factor in (0.9, 1.1)]
        spectra = xr.Dataset({"spectral_radius": (("layer", "head"), [[rate], [3 * rate]])})
        rows.append(of_model(runs, 1.0, spectra))
    assert (rows[1].model, rows[1].width, rows[1].blocks, rows[1].runs) == ("toy 1", 5, 6, 2)
    np.testing.assert_allclose(rows[1].per_layer, 0.3, rtol=1e-9)
    np.testing.assert_allclose(rows[1].per_layer_sd, 0.06 / np.sqrt(2), rtol=1e-9)
    np.testing.assert_allclose(rows[1].spectral_radius, 0.6)
    found = collapse(rows)
    assert list(found["predictor"].values) == list(PREDICTORS)
    chosen = found.sel(speed="per_layer", predictor="spectral_radius")
    assert chosen["correlation"] == pytest.approx(1)
    assert chosen["p"] == pytest.approx(2 / 120)
    assert found["correlation"].sel(predictor="width").isnull().all()  # all of one width
    np.testing.assert_array_equal(found["width"], 5)
    with pytest.raises(ValueError, match="name of its own"):
        collapse([rows[0], rows[0]])


def test_rows_of_random_twins_and_mixed_runs():
    (twin,) = [of_model([model_run(contracting(0.2), init="random")], 1.0)]
    assert twin.model == "toy, random"
    assert np.isnan([twin.spectral_radius, twin.per_layer_sd]).all()
    with pytest.raises(ValueError, match="one model"):
        of_model([model_run(contracting(0.2)), model_run(contracting(0.2), name="other")], 1.0)
    with pytest.raises(ValueError, match="one model"):
        of_model([], 1.0)
