"""What is read of a model's folder, what is refused in it, and that the digest depends on all of it."""

import json
import shutil
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import probe
from probe.loading import load, model_digest
from tests.helpers.saved_models import refused, rewrite, save_small_bert
from tests.helpers.small_models import WIDTH, WORDS, small_model


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save_small_bert(tmp_path_factory.mktemp("good") / "small")


@pytest.fixture(scope="module")
def good_parts(tmp_path_factory):
    return save_small_bert(tmp_path_factory.mktemp("parts") / "small", max_shard_size="1KB")


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "small")


@pytest.fixture
def parts(good_parts, tmp_path):
    return shutil.copytree(good_parts, tmp_path / "small")


def name_in_index(parts, place):
    """Let the index say that a tensor is elsewhere."""
    index = parts / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    rewrite(index, weight_map={**places, min(places): place})


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"num_attention_heads": 1}),
        ("config.json", {"layer_norm_eps": 1e-5}),
        ("tokenizer.json", {"truncation": None, "padding": None, "version": "1.1"}),
        ("tokenizer_config.json", {"do_lower_case": True}),
    ],
)
def test_the_digest_depends_on_config_and_tokenizer(folder, good, file, changes):
    assert model_digest(folder) == model_digest(good)
    rewrite(folder / file, **changes)
    assert model_digest(folder) != model_digest(good)


def test_the_digest_depends_on_weights_in_every_part_and_on_the_index(parts, good_parts):
    before = model_digest(good_parts)
    for part in sorted(parts.glob("*.safetensors")):
        tensors = load_file(part)
        save_file({name: tensor + 1 for name, tensor in tensors.items()}, part)
        assert model_digest(parts) != before
        save_file(tensors, part, metadata={"format": "pt"})
        assert model_digest(parts) == before
    rewrite(parts / "model.safetensors.index.json", metadata={})
    assert model_digest(parts) != before


def test_the_digest_passes_over_what_is_not_read(folder, good):
    (folder / "generation_config.json").write_text("{}")
    (folder / "README.md").write_text("A cat.")
    (folder / "decoy.safetensors").write_bytes(b"x")
    assert model_digest(folder) == model_digest(good)


def test_an_index_that_names_a_pickle(parts):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    torch.save(Bomb(), parts / "pytorch_model.bin")
    name_in_index(parts, "pytorch_model.bin")
    assert "no safetensors file" in refused(parts)
    with pytest.raises(ValueError, match="no safetensors file"):
        model_digest(parts)


@pytest.mark.parametrize("absolute", [True, False])
def test_an_index_that_leaves_its_folder(parts, good, tmp_path, absolute):
    outside = shutil.copy(good / "model.safetensors", tmp_path / "outside.safetensors")
    name_in_index(parts, str(outside) if absolute else "../outside.safetensors")
    assert "outside of its folder" in refused(parts)


def test_an_index_that_names_a_missing_file(parts):
    name_in_index(parts, "model-9.safetensors")
    assert "lacks 'model-9.safetensors'" in refused(parts)


@pytest.mark.parametrize("places", [None, {}, ["model.safetensors"]])
def test_an_index_without_places(parts, places):
    rewrite(parts / "model.safetensors.index.json", weight_map=places)
    assert "no weight_map" in refused(parts)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_pointer_of_git_lfs(folder, file):
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    message = refused(folder)
    assert "git lfs pull" in message
    assert file in message


def test_an_empty_folder(tmp_path):
    assert "no config.json" in refused(tmp_path)


@pytest.mark.parametrize("method", ["bitsandbytes", "hqq", "gptq"])
def test_quantised_weights(folder, method):
    rewrite(folder / "config.json", quantization_config={"quant_method": method, "load_in_8bit": True})
    assert "quantised" in refused(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "os.system"},
        {"hidden_size": "os.system"},
        {"num_attention_heads": 0},
        {"hidden_act": "exec"},
    ],
)
def test_a_config_that_makes_no_model(folder, changes):
    rewrite(folder / "config.json", **changes)
    assert "cannot be loaded" in refused(folder)


@pytest.mark.parametrize("family", [[], {}, 3])
def test_a_family_that_is_no_name(folder, family):
    rewrite(folder / "config.json", model_type=family)
    assert "not known" in refused(folder)


@pytest.mark.parametrize("content", ["{}", "[]", '{"added_tokens": []}'])
def test_a_tokenizer_that_is_none(folder, content):
    (folder / "tokenizer.json").write_text(content)
    assert "cannot be loaded" in refused(folder)


def test_a_tokenizer_class_that_is_none(folder):
    rewrite(folder / "tokenizer_config.json", tokenizer_class="RagTokenizer")
    assert "cannot be loaded" in refused(folder)


def test_sentence_pieces_alone_need_two_packages(folder, monkeypatch):
    monkeypatch.setattr("probe.model_files.find_spec", lambda name: None)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    (folder / "spiece.model").write_bytes(b"pieces")
    message = refused(folder)
    assert "sentencepiece" in message
    assert "protobuf" in message


@pytest.mark.parametrize("blocks", [1000, 100_000])
def test_a_config_of_far_too_many_blocks_is_refused_at_once(folder, blocks):
    rewrite(folder / "config.json", num_hidden_layers=blocks)
    start = time.process_time()
    assert "lack most of the tensors" in refused(folder)
    assert time.process_time() - start < 5  # a hundred thousand blocks take over 30 s to build


def test_a_config_of_another_width_names_a_tensor_and_takes_no_memory(folder):
    rewrite(folder / "config.json", vocab_size=10**12)
    message = refused(folder)
    assert "embeddings.word_embeddings.weight" in message
    assert f"(8, {WIDTH})" in message


def test_relative_positions_that_nothing_reads_are_refused(folder):
    """Read with absolute ones its states would be off, with no tensor missing."""
    rewrite(folder / "config.json", position_embedding_type="relative_key")
    assert "position_embedding_type 'relative_key'" in refused(folder)
    rewrite(folder / "config.json", position_embedding_type="absolute")
    probe.extract(folder, "cat sat")


@pytest.mark.parametrize(
    "name",
    [
        "bert.encoder.layer.0.attention.self.distance_embedding.weight",
        "bert.encoder.layer.2.output.dense.weight",
        "encoder.layer.1.attention.self.query.lora_A.weight",
        "base_model.model.bert.encoder.layer.1.attention.self.query.lora_A.default.weight",
    ],
)
def test_tensors_of_the_backbone_without_a_place_are_refused(folder, name):
    add_tensors(folder, name)
    message = refused(folder)
    assert "no place" in message
    assert name in message


@pytest.mark.parametrize(
    "name",
    [
        "lm_head.weight",
        "cls.seq_relationship.weight",
        "bert.pooler.dense.weight",
        "classifier.bias",
        "bert.embeddings.position_ids",
    ],
)
def test_heads_and_buffers_are_left_out(folder, good, name):
    add_tensors(folder, name)
    assert (probe.extract(folder, "cat sat").points == probe.extract(good, "cat sat").points).all()


def add_tensors(folder, *names):
    weights = folder / "model.safetensors"
    save_file({**load_file(weights), **{name: torch.ones(2, 2) for name in names}}, weights)


def test_old_names_bare_names_and_halves(folder, good):
    """Public checkpoints of BERT call gain and bias gamma and beta; others have no prefix, or hold halves."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }
    expected = probe.extract(good, "cat sat").points
    save_file(renamed, folder / "model.safetensors")
    assert (probe.extract(folder, "cat sat").points == expected).all()
    bare = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    save_file(bare, folder / "model.safetensors")
    assert (probe.extract(folder, "cat sat").points == expected).all()
    halves = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    save_file(halves, folder / "model.safetensors")
    loaded = load(folder)
    assert loaded.model.dtype is torch.float32
    assert abs(probe.extract(loaded, "cat sat").points - expected).max() < 2**-7  # bfloat16 has 8 bits


@pytest.mark.parametrize(("family", "file"), [("albert", "vocab.txt"), ("bert", "vocab.json")])
def test_a_vocabulary_of_another_kind(family, file, tmp_path):
    """Each word would be unknown, without a word about it."""
    small_model(family, head=True).save_pretrained(tmp_path / "small")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    ids = json.dumps({word: place for place, word in enumerate(words)})
    (tmp_path / "small" / file).write_text("\n".join(words) if file == "vocab.txt" else ids)
    assert "knows no word" in refused(tmp_path / "small")


def test_a_byte_order_mark_is_no_token(folder):
    plain, marked = (probe.extract(folder, text) for text in ("cat sat", "\ufeffcat sat"))
    assert marked.tokens == plain.tokens
