"""Learned attention, run: against a torch loop without feed-forward parts, and with other value matrices."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
import torch

import probe
import probe.dynamics
import sim
from tests.helpers.small_models import IMAGE, TEXT, WIDTH, small_model, word_tokenizer

EPSILON = 0.05  # far above any trained one, so that a forgotten one shows
FAMILIES = ("gpt2", "bert", "albert", "vit")


def make_model(family, epsilon=EPSILON):
    """In double precision, with a gain of 0 in each norm."""
    return small_model(family, shake=0.3, closed_gain=True, epsilon=epsilon).double()


def make_pair(family):
    """A model with its tokenizer, and what it reads."""
    return (
        make_model(family),
        None if family == "vit" else word_tokenizer(),
    ), IMAGE if family == "vit" else TEXT


@pytest.fixture(scope="module", params=FAMILIES)
def small(request):
    """name, pair, text, and the model's attention network."""
    pair, text = make_pair(request.param)
    return request.param, pair, text, probe.dynamics.layer_by_layer(pair, text, attention=True)


def tolerance(family):
    """transformers takes the softmax of ViT in single precision, whatever the model has."""
    return 1e-6 if family == "vit" else 1e-9


def directions(x):
    y = x - x.mean(axis=-1, keepdims=True)
    return y / np.linalg.norm(y, axis=-1, keepdims=True)


@torch.no_grad()
def attention_alone(model, family, first):
    """What the last norm of each block, or the next block, reads: by the model's own modules, feed-forward skipped."""
    x = torch.tensor(first[None], dtype=model.dtype)
    mask = torch.full((x.shape[1],) * 2, torch.finfo(model.dtype).min, dtype=model.dtype).triu(1)[None, None]
    states = []
    for place in range(model.config.num_hidden_layers):
        if family == "gpt2":
            x = x + model.h[place].attn(model.h[place].ln_1(x), attention_mask=mask)[0]
            states.append(x)
        elif family == "vit":
            block = model.layers[place]
            x = x + block.attention(block.layernorm_before(x))[0]
            states.append(x)
        elif family == "bert":
            block = model.encoder.layer[place]
            states.append(block.attention(x)[0])
            x = block.output.LayerNorm(states[-1])
        else:
            block = model.encoder.albert_layer_groups[0].albert_layers[0]
            states.append(block.attention(x)[0])
            x = block.full_layer_layer_norm(states[-1])
    return torch.cat(states).numpy()


def test_it_is_the_model_without_feed_forward_parts(small):
    """Double precision on both sides, but for the softmax of ViT; what is left is the folding of norms."""
    name, (model, tokenizer), text, run = small
    raw = probe.extract((model, tokenizer), text)
    states = attention_alone(model, name, raw.points[0] * raw.norms[0][:, None])
    np.testing.assert_allclose(run.points[1:], directions(states), rtol=0, atol=tolerance(name))

    if run.provenance["scheme"] == "pre":
        centred = states - states.mean(axis=-1, keepdims=True)
        np.testing.assert_allclose(run.norms[1:], np.linalg.norm(centred, axis=-1), rtol=tolerance(name))
    else:
        variance = states.var(axis=-1)
        np.testing.assert_allclose(run.norms[1:], np.sqrt(WIDTH * variance / (variance + EPSILON)), rtol=1e-9)


def test_it_is_the_model_with_every_feed_forward_part_silenced(small):
    name, pair, text, run = small
    blocks = range(len(run.points) - 1)
    silenced = probe.extract(pair, text, "layernorm", attention=True, silenced=blocks)
    np.testing.assert_allclose(run.points, silenced.points, rtol=0, atol=tolerance(name))
    assert run.attention is not None
    assert silenced.attention is not None
    np.testing.assert_allclose(run.attention[:-1], silenced.attention[:-1], rtol=0, atol=1e-6)


def test_it_lies_over_the_model(small):
    """The same first state and marks; silent feed-forward parts, and the model is the attention network."""
    name, (model, tokenizer), text, run = small
    own = probe.extract((model, tokenizer), text, frame="layernorm", attention=True)
    np.testing.assert_allclose(run.points[0], own.points[0], atol=1e-15)
    np.testing.assert_allclose(run.norms[0], own.norms[0], rtol=1e-14)
    assert (run.tokens, run.depth.tolist()) == (own.tokens, own.depth.tolist())
    assert np.abs(run.points[1] - own.points[1]).max() > 0.01
    assert run.attention is not None
    assert own.attention is not None
    np.testing.assert_allclose(run.attention[0], own.attention[0], rtol=0, atol=1e-6)
    silent = make_model(name)
    outputs = {"gpt2": "mlp.c_proj", "bert": ".output.dense", "albert": "ffn_output", "vit": "fc2"}[name]
    with torch.no_grad():
        for path, parameter in silent.named_parameters():
            if outputs in path and "attention" not in path:
                parameter.zero_()
    still = probe.extract((silent, tokenizer), text, frame="layernorm", attention=True)
    assert still.attention is not None
    np.testing.assert_allclose(run.points, still.points, rtol=0, atol=tolerance(name))
    np.testing.assert_allclose(run.norms, still.norms, rtol=tolerance(name))
    # Rows are kept in single precision.
    np.testing.assert_allclose(run.attention, still.attention, rtol=0, atol=1e-6)
    facts = json.loads(json.dumps(run.provenance))
    changed = {"instrument": "probe.dynamics.layer_by_layer", "counterfactual": None}
    assert facts == json.loads(json.dumps(own.provenance)) | changed


def test_iterations_and_other_masks():
    pair, text = make_pair("albert")
    run = probe.dynamics.layer_by_layer(pair, text, iterations=5, causal=True, control="repeated")
    assert (len(run.depth), run.provenance["causal"], run.provenance["control"]) == (6, True, "repeated")
    whole = probe.dynamics.layer_by_layer(pair, text, causal=True)
    cut = probe.dynamics.layer_by_layer(pair, text, causal=True, max_tokens=4)
    np.testing.assert_allclose(whole.points[:, :4], cut.points, atol=1e-12)
    random = probe.dynamics.layer_by_layer(pair, text, init="random", seed=3)
    assert (random.provenance["init"], random.provenance["seed"]) == ("random", 3)
    assert np.abs(random.points[0] - whole.points[0]).max() > 0.01


def test_minilm(minilm):
    """Single precision in the model against double in ours: asked for 1e-4."""
    text = "The tide rises twice a day, and the river turns back on itself."
    run = probe.dynamics.layer_by_layer(minilm, text)
    raw = probe.extract(minilm, text)
    first = (raw.points[0] * raw.norms[0][:, None]).astype(np.float32)
    states = attention_alone(minilm.model, "bert", first)
    np.testing.assert_allclose(run.points[1:], directions(states), rtol=0, atol=1e-4)


def test_repeat_is_the_frozen_field(small):
    name, pair, text, _ = small
    scheme = {"gpt2": "pre", "vit": "pre"}.get(name, "post")
    run = probe.dynamics.repeat(pair, text, 1, [0, 0.01, 0.02], start=1, attention=True)
    own = probe.extract(pair, text, frame="layernorm")
    field = replace(probe.operators(pair)[1], norm=scheme)
    radii = own.norms[1] if scheme == "pre" else None
    times = run.provenance["layer_time"] * np.array([0, 0.01, 0.02])
    direct = sim.simulate(field, own.points[1], times, rtol=1e-6, atol=1e-9, radii=radii)
    np.testing.assert_array_equal(run.points, direct.points)
    np.testing.assert_array_equal(run.norms, direct.norms)
    np.testing.assert_array_equal(run.depth, [0, 0.01, 0.02])
    assert run.attention is not None
    np.testing.assert_allclose(run.attention[0], field.weights(own.points[1]), rtol=0, atol=1e-12)
    facts = json.loads(json.dumps(run.provenance))
    assert (facts["layer"], facts["start"], facts["norm"], run.axis) == (1, 1, scheme, "time")
    assert facts["logit_scale"] == pytest.approx(8**-0.5, rel=1e-15)
    assert "beta" not in facts
    assert (facts["scheme"], facts["instrument"]) == (scheme, "probe.dynamics.repeat")
    assert set(facts["versions"]) == {"metasphere", "jax", "diffrax", "torch", "transformers"}


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_a_unit_of_time_is_a_small_layer(family):
    """Attention scaled down by 1e-5: a layer turns tokens as the flow does in a unit of time."""
    pair = (make_model(family, epsilon=1e-12), word_tokenizer())
    with torch.no_grad():
        for path, parameter in pair[0].named_parameters():
            if "attn.c_proj" in path or "attention.output.dense" in path:
                parameter.mul_(1e-5)
            if "LayerNorm.weight" in path:  # one gain for all entries, so that nothing else turns a token
                parameter.fill_(1.7)
            if "LayerNorm.bias" in path:
                parameter.zero_()
    layers = probe.dynamics.layer_by_layer(pair, TEXT).points
    flow = probe.dynamics.repeat(pair, TEXT, 0, [0, 1], rtol=1e-12, atol=1e-14).points
    assert np.abs(flow[1] - flow[0]).max() > 1e-6
    # What is left is of second order, 1e-5 of the step at most times a factor of logits.
    np.testing.assert_allclose(layers[1] - layers[0], flow[1] - flow[0], rtol=0, atol=1e-8)


def test_value_matrices_are_those_of_the_counterfactual():
    """Blocks by hand from the changed fields; a shared layer has one draw, another layer another."""
    pair, text = make_pair("gpt2")
    run = probe.dynamics.layer_by_layer(pair, text, value="spectrum shuffled", seed=4)
    assert (run.provenance["counterfactual"], run.provenance["seed"]) == ("spectrum shuffled", 4)
    y = run.points[0] * run.norms[0][:, None]
    for layer, field in enumerate(probe.operators(pair)):
        changed = probe.dynamics.counterfactual(field, "spectrum shuffled", (4, layer))
        y = y + np.asarray(changed.attend(y / np.sqrt(np.sum(y**2, axis=1, keepdims=True) + WIDTH * EPSILON)))
    np.testing.assert_allclose(run.points[-1] * run.norms[-1][:, None], y, rtol=1e-9, atol=1e-9)
    other = probe.dynamics.layer_by_layer(pair, text, value="spectrum shuffled", seed=5)
    assert np.abs(other.points[1] - run.points[1]).max() > 0.01
    albert, text = make_pair("albert")
    runs = [
        probe.dynamics.repeat(albert, text, layer, [0, 0.01], value="spectrum shuffled", seed=4)
        for layer in (1, 2)
    ]
    np.testing.assert_array_equal(runs[0].points, runs[1].points)
    assert runs[0].provenance["counterfactual"] == "spectrum shuffled"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 3}, "layer must be from 0 to 2 for bert, got 3"),
        ({"layer": -1}, "layer must be from 0 to 2"),
        ({"start": 4}, "start must be from 0 to 3 for bert, got 4"),
        ({"value": "random"}, "kind must be one of identity, symmetric, gradient"),
    ],
)
def test_bad_input(options, message):
    pair, text = make_pair("bert")
    with pytest.raises(ValueError, match=message):
        probe.dynamics.repeat(pair, text, **({"layer": 0, "times": [0, 1]} | options))


def test_states_that_are_not_finite():
    model = make_model("gpt2")
    with torch.no_grad():
        model.h[1].attn.c_proj.bias.fill_(1e300)
        model.h[1].attn.c_proj.bias[0] = -1e300
    with pytest.raises(ValueError, match="has a state of length 0, infinity or NaN at depth"):
        probe.dynamics.layer_by_layer((model, word_tokenizer()), TEXT)


def test_32_bits_are_refused():
    with jax.enable_x64(False), pytest.raises(ValueError, match="turn on 64-bit JAX"):
        probe.dynamics.layer_by_layer(*make_pair("bert"))
