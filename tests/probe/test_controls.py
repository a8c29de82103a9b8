"""Controls: each changes one thing, truly and reproducibly, and nothing of the model that it was asked of."""

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import probe
from probe.controls import controls, length_sweep
from probe.learned_operators import shortening
from probe.loading import load
from tests.helpers.small_models import TEXT, small_model, word_tokenizer


def pair_of(family, **changes):
    """A model as trained, and a tokenizer that adds tokens of its own where the family has them."""
    return small_model(family, **changes), word_tokenizer(special=family != "gpt2")


@pytest.fixture(scope="module", params=["gpt2", "bert", "albert"])
def pair(request):
    return pair_of(request.param)


def test_random_weights_share_no_tensor_with_the_trained_ones(pair):
    """Every matrix and embedding differs from the trained one and between seeds. Gains and biases differ from the
    trained ones too, but start at 1 and 0 whatever the seed: no initialisation of these families could differ there.
    """
    trained = load(pair)
    drawn = [load(pair, init="random", seed=seed) for seed in (0, 1, 0)]
    first, second, again = ({**loaded.model.state_dict()} for loaded in drawn)
    before = trained.model.state_dict()
    assert set(first) <= set(before)  # the bare model, without its pooler
    matrices = {name for name, weight in first.items() if weight.ndim >= 2 and weight.is_floating_point()}
    assert len(matrices) >= 8
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
        if not weight.is_floating_point():  # numbers of positions
            continue
        assert not torch.equal(weight, before[name])
        if name in matrices:
            assert not torch.equal(weight, second[name])
            # Equal entries are chance in single precision, but for the row of the padding token, which is 0.
            assert (weight == before[name]).float().mean() < 0.01
            assert (weight == second[name]).float().mean() < (0.05 if "word" in name else 0.01)
        else:
            assert weight.unique().item() == (0 if name.endswith("bias") else 1)
    assert [loaded.seed for loaded in drawn] == [0, 1, 0]
    assert trained.model is not drawn[0].model


def test_random_weights_of_a_truly_trained_model(minilm):
    """Of MiniLM every tensor differs, gains and biases included, since training has moved each of them."""
    random = load(minilm, init="random", seed=2).model.state_dict()
    same = [name for name, weight in minilm.model.state_dict().items() if torch.equal(weight, random[name])]
    assert [name for name in same if "position_ids" not in name and "token_type_ids" not in name] == []


def test_random_weights_leave_the_model_and_torch_alone(pair):
    before, weights = torch.random.get_rng_state(), copy.deepcopy(pair[0].state_dict())
    trained = probe.extract(pair, TEXT)
    first, second = (probe.extract(pair, TEXT, init="random", seed=seed) for seed in (0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(weight, weights[name]) for name, weight in pair[0].state_dict().items())
    np.testing.assert_array_equal(probe.extract(pair, TEXT).points, trained.points)
    for one, other in ((trained, first), (trained, second), (first, second)):
        assert np.abs(one.points - other.points).max(axis=(1, 2)).min() > 0.01
    assert (first.provenance["init"], first.provenance["seed"]) == ("random", 0)
    assert (trained.provenance["init"], trained.provenance["seed"]) == ("trained", None)
    assert first.provenance["revision"] is None


def test_random_weights_need_no_trained_ones(tmp_path):
    model, tokenizer = pair_of("bert")
    model.config.save_pretrained(tmp_path / "bare")
    tokenizer.save_pretrained(tmp_path / "bare")
    first = probe.extract(tmp_path / "bare", TEXT, init="random", seed=4)
    second = probe.extract((model, tokenizer), TEXT, init="random", seed=4)
    np.testing.assert_array_equal(first.points, second.points)
    loaded = load(tmp_path / "bare", init="random", seed=4)
    np.testing.assert_array_equal(probe.extract(loaded, TEXT).points, first.points)
    assert probe.extract(loaded, TEXT).provenance["init"] == "random"
    with pytest.raises(ValueError, match="no weights"):
        load(tmp_path / "bare")
    with pytest.raises(ValueError, match="trained, random"):
        load(tmp_path / "bare", init="zeros")


def test_shuffled_tokens(pair):
    plain = probe.extract(pair, TEXT)
    runs = [probe.extract(pair, TEXT, control="shuffled", seed=seed) for seed in (0, 1, 0)]
    for run in runs:
        assert Counter(run.tokens) == Counter(plain.tokens)
        np.testing.assert_array_equal(run.special, plain.special)
        assert [t for t, s in zip(run.tokens, run.special) if s] == [
            t for t, s in zip(plain.tokens, plain.special) if s
        ]
        assert run.tokens != plain.tokens
    assert runs[0].tokens != runs[1].tokens
    np.testing.assert_array_equal(runs[0].points, runs[2].points)
    assert (runs[1].provenance["control"], runs[1].provenance["seed"]) == ("shuffled", 1)
    # It is the model's run of that word order.
    order = " ".join(token for token, added in zip(runs[0].tokens, runs[0].special) if not added)
    np.testing.assert_array_equal(probe.extract(pair, order).points, runs[0].points)


def test_repeated_token(pair):
    plain, run = probe.extract(pair, TEXT), probe.extract(pair, TEXT, control="repeated")
    ordinary = [token for token, added in zip(run.tokens, run.special) if not added]
    assert set(ordinary) == {"the"}
    assert len(run.tokens) == len(plain.tokens)
    assert run.provenance["control"] == "repeated"
    assert len(set(np.array(run.provenance["token_ids"])[~run.special])) == 1


def test_unknown_control(pair):
    with pytest.raises(ValueError, match="shuffled, repeated"):
        probe.extract(pair, TEXT, control="reversed")


def test_bert_with_a_causal_mask_is_bert_as_a_decoder():
    """transformers' own decoder, with the same weights, is the oracle."""
    model, tokenizer = pair_of("bert")
    config = copy.deepcopy(model.config)
    config.is_decoder = True
    decoder = transformers.BertModel._from_config(config, attn_implementation="eager").eval()
    decoder.load_state_dict(model.state_dict())
    masked = probe.extract((model, tokenizer), TEXT, attention=True, causal=True)
    expected = probe.extract((decoder, tokenizer), TEXT, attention=True)
    np.testing.assert_allclose(masked.points, expected.points, atol=1e-6)
    assert masked.attention is not None
    assert expected.attention is not None
    np.testing.assert_allclose(masked.attention, expected.attention, atol=1e-6)
    assert masked.provenance["causal"]
    assert np.abs(masked.points[-1] - probe.extract((model, tokenizer), TEXT).points[-1]).max() > 0.01


def test_gpt2_without_its_mask():
    """Every token sees all others; the layer's own field without a mask is the oracle."""
    pair = pair_of("gpt2")
    run = probe.extract(pair, TEXT, frame="layernorm", attention=True, causal=False)
    assert not run.provenance["causal"]
    assert run.attention is not None
    assert (run.attention[:-1] > 0).all()
    reads = run.points * shortening(run)[..., None]
    for depth, field in enumerate(probe.operators(pair, causal=False)):
        np.testing.assert_allclose(field.weights(reads[depth]), run.attention[depth], rtol=0, atol=1e-5)


def test_the_models_own_mask_by_name_changes_nothing(pair):
    plain = probe.extract(pair, TEXT)
    same = probe.extract(pair, TEXT, causal=plain.provenance["causal"])
    np.testing.assert_array_equal(same.points, plain.points)


def test_albert_beyond_its_native_depth():
    """60 uses of the layer are those of a config that asks for 60, and start with the native ones."""
    pair = pair_of("albert")
    config = copy.deepcopy(pair[0].config)
    config.num_hidden_layers = 60
    deep = transformers.AlbertModel._from_config(config, attn_implementation="eager").eval()
    deep.load_state_dict(pair[0].state_dict())
    with torch.no_grad():
        states = deep(
            **pair[1](TEXT, return_tensors="pt", return_token_type_ids=False), output_hidden_states=True
        ).hidden_states
    run = probe.extract(pair, TEXT, attention=True, sublayers=True, iterations=60)
    np.testing.assert_allclose(
        (run.points * run.norms[..., None])[::2], torch.cat(states).numpy(), rtol=1e-5, atol=1e-5
    )
    assert (run.provenance["blocks"], run.provenance["native_blocks"]) == (60, 3)
    native = probe.extract(pair, TEXT)
    assert len(native.depth) == 4  # and the model is as it was
    np.testing.assert_array_equal(native.points, run.points[:7:2])
    with pytest.raises(ValueError, match="memory"):
        probe.extract(pair, TEXT, iterations=60, memory_limit=1000)
    assert pair[0].config.num_hidden_layers == 3


@pytest.mark.parametrize(
    ("family", "changes"), [("gpt2", {}), ("bert", {}), ("albert", {"num_hidden_groups": 2})]
)
def test_iterations_need_one_shared_block(family, changes):
    with pytest.raises(ValueError, match="again and again"):
        probe.extract(pair_of(family, **changes), TEXT, iterations=5)


def test_iterations_are_positive():
    with pytest.raises(ValueError, match="at least 1"):
        probe.extract(pair_of("albert"), TEXT, iterations=0)


def test_all_controls_of_one_text(pair):
    runs = controls(pair, TEXT, seeds=(3, 4), frame="layernorm", attention=True)
    other = "not causal" if runs["trained"].provenance["causal"] else "causal"
    labels = ["trained", "random 3", "random 4", "shuffled 3", "shuffled 4", "repeated", other]
    assert list(runs) == labels
    np.testing.assert_array_equal(runs["trained"].points, probe.extract(pair, TEXT, frame="layernorm").points)
    np.testing.assert_array_equal(
        runs["random 4"].points, probe.extract(pair, TEXT, frame="layernorm", init="random", seed=4).points
    )
    for run in runs.values():
        assert run.attention is not None
        assert run.points.shape == runs["trained"].points.shape


def test_length_sweep(pair):
    runs = length_sweep(pair, TEXT, (4, 6, 9))
    assert [len(run.tokens) for run in runs] == [4, 6, 9]
    np.testing.assert_array_equal(runs[1].points, probe.extract(pair, TEXT, max_tokens=6).points)
    with pytest.raises(ValueError, match="longer text"):
        length_sweep(pair, TEXT, (4, 23))


def test_the_range_of_random_weights_is_chosen_and_said(pair):
    plain = load(pair, init="random", seed=1)
    wide = load(pair, init="random", seed=1, initializer_range=0.06)
    assert (plain.initializer_range, plain.initializer_range_from) == (0.02, "config")
    assert (wide.initializer_range, wide.initializer_range_from) == (0.06, "argument")
    assert pair[0].config.initializer_range == 0.02
    before, after = plain.model.state_dict(), wide.model.state_dict()
    for name, matrix in before.items():
        if matrix.ndim == 2 and matrix.is_floating_point() and "c_proj" not in name:
            ratio = float(after[name].std() / matrix.std())
            assert ratio == pytest.approx(3, rel=0.3), name  # of a few hundred draws; the padding row is 0
    facts = probe.extract(pair, TEXT, init="random", initializer_range=0.06).provenance
    assert (facts["initializer_range"], facts["initializer_range_from"]) == (0.06, "argument")
    assert probe.extract(pair, TEXT).provenance["initializer_range"] is None


def test_a_range_without_random_weights(pair):
    options: Any
    for options in ({"initializer_range": 0.1}, {"initializer_range": -1.0, "init": "random"}):
        with pytest.raises(ValueError, match="initializer_range must be"):
            probe.extract(pair, TEXT, **options)
    with pytest.raises(ValueError, match="by no initializer_range"):
        load((small_model("opt"), word_tokenizer()), init="random", initializer_range=0.1)
