"""Parts of a block's change of energy: they add up, and a part that does nothing gets nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import probe
import sim
from compare.analyses.energy_budget import decomposition
from tests.helpers.small_models import TEXT, small_model, word_tokenizer
from tests.helpers.vectors import unit

BETA = 3.0


def frames_of(pair):
    raw = probe.extract(pair, TEXT, sublayers=True)
    return raw, probe.extract(pair, TEXT, sublayers=True, frame="layernorm")


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert"])
def small(request):
    pair = small_model(request.param), word_tokenizer()
    raw, inside = frames_of(pair)
    return SimpleNamespace(family=request.param, model=pair[0], raw=raw, inside=inside)


def everything(trajectory):
    return np.ones(trajectory.points.shape[1], bool)


def energy_by_loop(points):
    n = len(points)
    terms = [np.exp(BETA * (points[i] @ points[j] - 1)) for i in range(n) for j in range(n) if i != j]
    return sum(terms) / len(terms)


def test_parts_add_up_to_the_change_of_the_energy(small):
    for mine, other in ((small.raw, small.inside), (small.inside, small.raw)):
        found = decomposition(mine, BETA, other, everything(mine))
        assert list(found["part"].values) == ["attention", "feed_forward", "norm"]
        energies = [energy_by_loop(points) for points in mine.points[::2]]
        # float64 sums of order 1 in another order
        np.testing.assert_allclose(found["energy"], energies, rtol=1e-12)
        np.testing.assert_allclose(found["change"].sum("part"), np.diff(energies), atol=1e-12)
        np.testing.assert_allclose(found["total"], np.diff(energies), atol=1e-12)
        n = mine.points.shape[1]
        whole = np.asarray(sim.energy(mine.points[::2], BETA))
        np.testing.assert_allclose(whole, 1 / n + (1 - 1 / n) * found["energy"], rtol=1e-12)
        assert np.abs(found["change"].sel(part=["attention", "feed_forward"])).min() > 1e-6


def test_parts_are_those_of_the_models_own_modules(small):
    """x, C(x + a), C(h + f) and the norms' outputs from the modules of the model, in plain steps."""
    found = decomposition(small.raw, BETA, small.inside, everything(small.raw))
    states = small.raw.points * small.raw.norms[..., None]
    for layer in range(3):
        x = torch.from_numpy(states[2 * layer]).float()[None]
        with torch.no_grad():
            energies = [energy_by_loop(unit(np.asarray(at[0], np.float64))) for at in path(small, layer, x)]
        steps = np.diff(energies)
        if small.family == "gpt2":
            parts = {"attention": steps[0], "feed_forward": steps[1], "norm": 0.0}
        else:
            centring, gain = steps[0] + steps[3], steps[2] + steps[5]
            parts = {"attention": steps[1], "feed_forward": steps[4], "norm": centring + gain}
            np.testing.assert_allclose(found["norm_gain"][layer], gain, atol=1e-5)
            np.testing.assert_allclose(found["norm_centring"][layer], centring, atol=1e-5)
        for name, value in parts.items():
            # single precision, through beta times cosines
            np.testing.assert_allclose(found["change"].sel(part=name)[layer], value, atol=1e-5)


def path(small, layer, x):
    """The states of one block."""

    def centred(y):
        return y - y.mean(-1, keepdim=True)

    if small.family == "gpt2":
        block, n = small.model.h[layer], x.shape[1]
        mask = torch.full((n, n), -torch.inf).triu(1)[None, None]
        between = x + block.attn(block.ln_1(x), attention_mask=mask)[0]
        return [x, between, between + block.mlp(block.ln_2(between))]
    if small.family == "bert":
        block = small.model.encoder.layer[layer]
        summed = x + block.attention.output.dense(block.attention.self(x)[0])
        h = block.attention.output.LayerNorm(summed)
        whole = h + block.output.dense(block.intermediate(h))
        return [x, centred(x), centred(summed), h, centred(h), centred(whole), block.output.LayerNorm(whole)]
    block = small.model.encoder.albert_layer_groups[0].albert_layers[0]
    inputs: list[torch.Tensor] = []
    hook = block.attention.LayerNorm.register_forward_hook(
        lambda module, given, made: inputs.append(given[0])
    )
    h = block.attention(x)[0]
    hook.remove()
    whole = h + block.ff_chunk(h)
    return [
        x,
        centred(x),
        centred(inputs[0]),
        h,
        centred(h),
        centred(whole),
        block.full_layer_layer_norm(whole),
    ]


def test_frames_agree_on_what_lies_between_norms(small):
    """Attention and feed-forward steps are the same steps in both frames; only where a block is cut differs."""
    raw = decomposition(small.raw, BETA, small.inside)
    inside = decomposition(small.inside, BETA, small.raw)
    parts = ["attention", "feed_forward"]
    if small.family != "gpt2":
        np.testing.assert_allclose(
            raw["change"].sel(part=parts), inside["change"].sel(part=parts), atol=1e-14
        )
        alone = decomposition(small.raw, BETA)
        assert list(alone["part"].values) == parts
        np.testing.assert_allclose(alone["change"].sum("part"), raw["total"], atol=1e-14)
        assert "shapley" not in alone
    else:
        assert (raw["change"].sel(part="norm") == 0).all()
        assert "norm_gain" not in raw


def test_order_average_of_increments():
    """Pre-LN on random states, against both orders by hand; where one increment is 0, it gets nothing in any order."""
    random = np.random.default_rng(3)
    x, a, f = random.standard_normal((3, 7, 5))
    states = np.stack([x, x + a, x + a + f, x + a + f + a, x + 2 * a + f, x + 2 * a + f, x + 2 * a + 2 * f])
    lengths = np.linalg.norm(states, axis=-1)
    made = sim.Trajectory(
        states / lengths[..., None], np.arange(7) / 2, "layer", lengths, provenance={"scheme": "pre"}
    )
    found = decomposition(made, BETA)

    def at(state):
        return energy_by_loop(unit(state))

    first = (at(x + a) - at(x) + at(x + a + f) - at(x + f)) / 2
    second = (at(x + f) - at(x) + at(x + a + f) - at(x + a)) / 2
    np.testing.assert_allclose(found["shapley"][0], [first, second, 0], atol=1e-12)
    np.testing.assert_allclose(found["shapley"].sum("part"), found["total"], atol=1e-12)
    np.testing.assert_allclose(
        found["change"][0], [at(x + a) - at(x), at(x + a + f) - at(x + a), 0], atol=1e-12
    )
    for name in ("change", "shapley"):  # block 2 has no feed-forward part, block 3 no attention
        np.testing.assert_allclose(found[name].sel(part="feed_forward")[1], 0, atol=1e-14)
        np.testing.assert_allclose(found[name].sel(part="attention")[2], 0, atol=1e-14)


def test_parts_that_are_silenced_get_nothing():
    """A BERT whose attention writes nothing, and then one whose norms have gain 1 and bias 0 as well."""
    model, tokenizer = small_model("bert"), word_tokenizer()
    with torch.no_grad():
        for block in model.encoder.layer:
            block.attention.output.dense.weight.zero_()
            block.attention.output.dense.bias.zero_()
    raw, inside = frames_of((model, tokenizer))
    quiet = decomposition(raw, BETA, inside)["change"]
    # C x and C (x + 0) differ by the rounding of single precision
    np.testing.assert_allclose(quiet.sel(part="attention"), 0, atol=1e-6)
    assert np.abs(quiet.sel(part=["feed_forward", "norm"])).min() > 1e-4
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight.fill_(1)
                module.bias.zero_()
    raw, inside = frames_of((model, tokenizer))
    quieter = decomposition(raw, BETA, inside)["change"]
    np.testing.assert_allclose(quieter.sel(part=["attention", "norm"]), 0, atol=1e-6)
    assert np.abs(quieter.sel(part="feed_forward")).min() > 1e-4


def test_kept_tokens_only(small):
    """Tokens outside `keep` do not count, nor, where it is not given, the second "the"."""
    words = TEXT.split()
    first = np.array([words.index(word) == place for place, word in enumerate(words)])
    assert not first.all()
    by_default = decomposition(small.raw, BETA)
    np.testing.assert_array_equal(by_default["energy"], decomposition(small.raw, BETA, keep=first)["energy"])
    keep = np.arange(small.raw.points.shape[1]) % 3 > 0
    found = decomposition(small.raw, BETA, keep=keep)
    energies = [energy_by_loop(points[keep]) for points in small.raw.points[::2]]
    np.testing.assert_allclose(found["energy"], energies, rtol=1e-12)
    np.testing.assert_allclose(found["change"].sum("part"), np.diff(energies), atol=1e-12)


def test_what_cannot_be_decomposed_is_refused(small):
    whole = sim.Trajectory(small.raw.points[::2], np.arange(4), "layer", provenance={"scheme": "pre"})
    with pytest.raises(ValueError, match="sublayers"):
        decomposition(whole, BETA)
    with pytest.raises(ValueError, match="beta"):
        decomposition(small.raw, -1.0)
    with pytest.raises(ValueError, match="at least 2"):
        decomposition(small.raw, BETA, keep=np.arange(small.raw.points.shape[1]) == 0)
    nameless = sim.Trajectory(small.raw.points, small.raw.depth, "layer")
    with pytest.raises(ValueError, match="scheme"):
        decomposition(nameless, BETA)
    if small.family != "gpt2":
        with pytest.raises(ValueError, match="other frame"):
            decomposition(small.raw, BETA, small.raw)
