"""Models that are not built as they would be read: each is one line that says what was found."""

from typing import Any

import pytest
import torch
import transformers

import probe
from probe.structure import NotReadableError, structure_of
from tests.helpers.saved_models import refused
from tests.helpers.small_models import small_model, word_tokenizer

SHAPE: dict[str, Any] = {"vocab_size": 120, "hidden_size": 24, "num_hidden_layers": 2, "pad_token_id": 0}


def made(config):
    return transformers.AutoModel.from_config(config).eval(), word_tokenizer()


def test_a_model_without_attention():
    message = refused(made(transformers.MambaConfig(**SHAPE, state_size=4)))
    assert "MambaBlock) gives no attention rows" in message


def test_an_encoder_with_its_decoder(tmp_path):
    config = transformers.BartConfig(
        **SHAPE,
        d_model=24,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=3,
        decoder_attention_heads=3,
    )
    model, tokenizer = made(config)
    assert "an encoder and a decoder" in refused((model, tokenizer))
    model.save_pretrained(tmp_path / "bart")
    tokenizer.save_pretrained(tmp_path / "bart")
    assert "an encoder and a decoder" in refused(tmp_path / "bart")


def test_a_decoder_with_cross_attention():
    message = refused((small_model("gpt2", add_cross_attention=True), word_tokenizer()))
    assert "decoder that attends to it" in message


def test_of_t5_the_encoder_is_read(tmp_path):
    config = transformers.T5Config(vocab_size=120, d_model=24, d_kv=8, d_ff=40, num_heads=3, num_layers=2)
    whole = transformers.T5ForConditionalGeneration(config).eval()
    whole.save_pretrained(tmp_path / "t5")
    word_tokenizer().save_pretrained(tmp_path / "t5")
    run = probe.extract(tmp_path / "t5", "the river")
    with torch.no_grad():
        own = whole.encoder(
            torch.tensor([run.provenance["token_ids"]]), output_hidden_states=True
        ).hidden_states
    states = torch.from_numpy(run.points * run.norms[..., None])
    torch.testing.assert_close(states[:-1].float(), torch.cat(own)[:-1], rtol=1e-6, atol=1e-6)


def test_a_block_that_does_not_add_up(monkeypatch):
    """A block that scales its state before it adds to it is none of the sums that are known."""
    model = small_model("llama")
    kind = type(model.layers[1])
    forward = kind.forward
    monkeypatch.setattr(
        kind, "forward", lambda self, x, *rest, **options: 1.01 * forward(self, x, *rest, **options)
    )
    with pytest.raises(NotReadableError, match=r"block 0 .* in none of the known ways"):
        structure_of(model)


def test_states_that_are_not_the_models_own(monkeypatch):
    """What transformers calls its states must be what the blocks give."""
    model = small_model("bert")
    own = type(model).forward

    def shifted(self, *rest, **options):
        outputs = own(self, *rest, **options)
        outputs.hidden_states = tuple(1.001 * state for state in outputs.hidden_states)
        return outputs

    monkeypatch.setattr(type(model), "forward", shifted)
    with pytest.raises(NotReadableError, match=r"hidden_states are 0\.001 off"):
        structure_of(model)


def test_two_ways_of_one_model_that_differ():
    """transformers 5.23 adds the biases of a Falcon with ALiBi twice where attention is eager."""
    model = small_model("falcon", alibi=True, parallel_attn=False)
    with pytest.raises(NotReadableError, match="two ways that are"):
        structure_of(model)
