"""Group E of the post by hand: ratios of made-up runs, spectra of small models, correlations in plain loops."""

import json
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

import compare
import probe
import sim
from compare.analyses.value_spectrum import spectrum, value_spectrum
from compare.metrics.published.persistence import plateau_marks
from compare.published.timescales import two_timescales
from probe.spectra import spectra
from tests.helpers.small_models import IMAGE, TEXT, small_model, word_tokenizer

WIDTH, HEADS, INNER = 24, 3, 8


def run(marks, mass, **facts):
    """A published measurement, as far as Group E1 reads it."""
    provenance = {"model": "toy", "init": "trained", "seed": None, "control": None, **facts}
    return xr.Dataset(
        {"plateau": (("signal", "depth"), [marks]), "mass_near_one": ("depth", mass)},
        coords={"signal": ["mass_near_one"], "depth": np.arange(float(len(marks)))},
        attrs={"preset": "published", "provenance": json.dumps(provenance)},
    )


def collapsing(layer, **facts):
    mass = np.where(np.arange(8) < layer, 0.5, 0.95)
    return run([0] * 8, mass, **{"control": "repeated", **facts})


LOW = [0.1] * 8
FIRST = [1, 1, 1, 0, 2, 2, 2, 2]  # widths 3 and 4
SECOND = [0, 1, 1, 1, 1, 1, 0, 0]  # width 5


@pytest.mark.parametrize(
    ("layer", "ratio", "verdict"),
    [
        (1, 4.0, "CONFIRMED"),
        (2, 2.0, "WEAK"),  # strictly over 2 is asked for
        (3, 4 / 3, "WEAK"),
        (4, 1.0, "NO SEPARATION"),
        (0, np.nan, "undefined"),
        (9, np.nan, "undefined"),
    ],
)
def test_ratio_pools_plateaus_over_texts(layer, ratio, verdict):
    (row,) = two_timescales([run(FIRST, LOW), run(SECOND, LOW), collapsing(layer)])
    assert (row.model, row.texts, row.plateaus, row.mean_width) == ("toy", 2, 3, 4.0)
    assert row.verdict == verdict
    np.testing.assert_equal(row.ratio, ratio)
    np.testing.assert_equal(row.collapse_layer, layer if layer < 8 else np.nan)


def test_runs_of_one_model_only_belong_together():
    runs = [
        collapsing(4),
        run(FIRST, LOW),
        run(SECOND, LOW, init="random", seed=1),
        run([1] * 8, LOW, control="shuffled"),
        run([0] * 8, LOW, model="bare"),
        run([1] * 8, LOW, model=None),
    ]
    rows = {(row.model, row.init): row for row in two_timescales(runs)}
    assert set(rows) == {("toy", "trained"), ("toy", "random"), ("bare", "trained")}
    assert rows["toy", "trained"].ratio == 3.5 / 4
    assert rows["toy", "random"].verdict == "undefined"  # its own repeated token is missing
    assert np.isnan(rows["bare", "trained"].mean_width)
    with pytest.raises(ValueError, match="published"):
        two_timescales([run(FIRST, LOW).assign_attrs(preset="calibrated")])


def test_noise_confirms_two_timescales():
    """The trap: masses of independent noise have plateaus, so the verdict rests on one small number of one run."""
    noise = 0.0148 + 1e-4 * np.random.default_rng(0).standard_normal(25)
    marks = plateau_marks(noise, np.ones(25, bool), 0.10)
    words = {
        layer: two_timescales([run(list(marks), list(noise)), _late(layer)])[0].verdict for layer in (2, 20)
    }
    assert words == {2: "CONFIRMED", 20: "WEAK"}


def _late(layer):
    mass = np.where(np.arange(25) < layer, 0.5, 0.95)
    return run([0] * 25, mass, control="repeated")


def value_modules(model):
    """(weight of W_V as rows of outputs, its bias, weight of W_O as rows of outputs) of each block, as views."""
    family = model.config.model_type
    if family == "gpt2":
        return [
            (b.attn.c_attn.weight[:, 2 * WIDTH :].T, b.attn.c_attn.bias[2 * WIDTH :], b.attn.c_proj.weight.T)
            for b in model.h
        ]
    if family == "bert":
        heads = [(b.attention.self, b.attention.output.dense) for b in model.encoder.layer]
        return [(h.value.weight, h.value.bias, out.weight) for h, out in heads]
    if family == "albert":
        heads = model.encoder.albert_layer_groups[0].albert_layers[0].attention
        return [(heads.value.weight, heads.value.bias, heads.dense.weight)]
    heads = [b.attention for b in model.layers]
    return [(h.v_proj.weight, h.v_proj.bias, h.o_proj.weight) for h in heads]


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert", "vit"])
def small(request):
    image = request.param == "vit"
    return SimpleNamespace(
        family=request.param,
        model=small_model(request.param, num_hidden_layers=2),
        tokenizer=None if image else word_tokenizer(),
        text=IMAGE if image else TEXT,
    )


def test_spectrum_of_the_models_own_matrix(small):
    found = value_spectrum((small.model, small.tokenizer))
    assert dict(found.sizes) == {"layer": 2, "rank": WIDTH}
    for layer in range(2):
        weight = value_modules(small.model)[layer if small.family != "albert" else 0][0]
        matrix = weight.detach().double().numpy()
        own = found.isel(layer=layer)
        values = np.linalg.eigvals(matrix)
        made = own["eigenvalue_real"].values + 1j * own["eigenvalue_imaginary"].values
        np.testing.assert_allclose(np.sort_complex(made), np.sort_complex(values), atol=1e-9)
        assert (np.diff(np.abs(made)) < 1e-9).all()
        sizes = np.sqrt(np.clip(np.linalg.eigvalsh(matrix @ matrix.T)[::-1], 0, None))
        # squares of singular values are exact to 1e-15 of the largest
        np.testing.assert_allclose(
            own["singular_value"] ** 2, sizes**2, rtol=1e-9, atol=1e-13 * sizes[0] ** 2
        )
        assert own["attractive_share"] == np.mean(np.real(values) > 0)
        assert own["repulsive_share"] == np.mean(np.real(values) < 0)
        complex_rule = [abs(v.imag) > 0.01 * (abs(v.real) + 1e-8) for v in values]
        assert own["complex_share"] == np.mean(complex_rule)
        np.testing.assert_allclose(own["spectral_radius"], max(abs(v) for v in values), rtol=1e-10)
        np.testing.assert_allclose(own["condition"], sizes[0] / sizes[1], rtol=1e-8)


def test_published_spectrum_moves_where_the_model_does_not(small):
    """V -> G V, O -> O G^-1 in each head: same states, same O V, another spectral radius of W_V."""
    turned = deepcopy(small.model)
    noise = np.random.default_rng(4).standard_normal((HEADS, INNER, INNER))
    gauges = 3 * (np.eye(INNER) + 0.1 * noise)
    with torch.no_grad():
        for value, bias, output in value_modules(turned):
            for head, gauge in enumerate(torch.from_numpy(gauges).float()):
                rows = slice(head * INNER, (head + 1) * INNER)
                value[rows] = gauge @ value[rows]
                bias[rows] = gauge @ bias[rows]
                output[:, rows] = output[:, rows] @ torch.linalg.inv(gauge)
    before, after = ((model, small.tokenizer) for model in (small.model, turned))
    states, moved = (probe.extract(pair, small.text).points for pair in (before, after))
    np.testing.assert_allclose(moved, states, atol=1e-5)  # single precision, three blocks of matrices more
    published, changed = value_spectrum(before), value_spectrum(after)
    assert (changed["spectral_radius"] > 2 * published["spectral_radius"]).all()
    ours, same = (spectra(probe.operators(pair), draws=0) for pair in (before, after))
    for name in ("spectral_radius", "henrici", "symmetric_share", "numerical_highest"):
        np.testing.assert_allclose(same[name], ours[name], rtol=1e-5, atol=1e-5)


def test_spectrum_of_one_direction():
    """A matrix of rank 1 has one eigenvalue that is not 0, and no second singular value."""
    found = spectrum(np.array([[3.0, 0], [0, 0]]))
    assert found["condition"] == np.inf
    assert (found["spectral_radius"], found["attractive_share"], found["repulsive_share"]) == (3, 0.5, 0)


def test_from_a_trajectory():
    """The statistics read what `measure` writes."""
    steps = np.random.default_rng(9).standard_normal((7, 10, 3)).cumsum(axis=0)
    lengths = np.linalg.norm(steps, axis=-1)
    facts = {"model": "walk", "control": None}
    run = sim.Trajectory(steps / lengths[..., None], np.arange(7), norms=lengths, provenance=facts)
    published = compare.measure(run, preset="published")
    (row,) = two_timescales([published])
    assert (row.model, row.verdict) == ("walk", "undefined")
