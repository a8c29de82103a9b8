"""The texts: what the manifest says of them is so, and they are usable as written."""

import ast
import dataclasses
import hashlib
from importlib.resources import files

import pytest

import probe
from probe.loading import load
from probe.texts import KINDS, LENGTHS, checked


def test_every_text_is_described_and_every_description_has_a_text():
    folder = files("probe.texts")
    texts = {entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt")}
    assert set(probe.prompts()) == texts


def test_fields():
    for name, prompt in probe.prompts().items():
        assert prompt.name == name
        assert prompt.kind in KINDS
        assert prompt.length in LENGTHS
        assert prompt.sha256 == hashlib.sha256(prompt.text.encode("utf-8")).hexdigest()
        assert prompt.licence
        assert prompt.source
        assert prompt.words == len(prompt.text.split())
        assert prompt.text == prompt.text.strip()


def test_two_lengths_of_every_kind_and_no_text_twice():
    """Length and kind are crossed, so that neither stands for the other."""
    prompts = list(probe.prompts().values())
    assert len({prompt.sha256 for prompt in prompts}) == len(prompts) >= 12
    for kind in KINDS:
        (short,) = (prompt for prompt in prompts if (prompt.kind, prompt.length) == (kind, "short"))
        (long,) = (prompt for prompt in prompts if (prompt.kind, prompt.length) == (kind, "long"))
        assert 290 <= len(short.text) <= 390
        assert 900 <= len(long.text) <= 1350
    assert {"tides", "orchard_letter", "river_code"} <= {prompt.name for prompt in prompts}


def test_every_text_fits_the_models():
    """512 places, in the vocabulary of BERT and in a byte-level one of 2,048 pieces, learned from other text."""
    own = ("embedded", "wheel")
    names = [name for name, model in probe.models().items() if model.available and model.source in own]
    assert {"gpt2-128", "bert-128", "albert-128", "albert-384"} <= set(names)
    for name in names:
        tokenizer = load(name, init="random").tokenizer
        for prompt in probe.prompts().values():
            assert len(tokenizer(prompt.text)["input_ids"]) <= 512, (name, prompt.name)


def test_source_code_parses_and_has_docstrings():
    codes = [prompt for prompt in probe.prompts().values() if prompt.kind == "source code"]
    assert len(codes) == 3
    for prompt in codes:
        tree = ast.parse(prompt.text)
        (defined,) = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
        assert ast.get_docstring(defined)


def test_source_code_runs():
    """The texts are programs, not scribbles: a timetable of three stops, and an average of pairs."""
    names: dict = {"__name__": "text"}
    for name in ("moving_average_code", "timetable_code"):
        exec(probe.prompts()[name].text, names)
    assert names["moving_average"]([1, 2, 4], 2) == [1.5, 3]
    table = names["Timetable"]()
    table.add("a", "b", 10, 20)
    table.add("b", "c", 25, 40)
    table.add("a", "c", 5, 60)
    assert table.earliest_arrival("a", "c", 0) == 40
    assert table.earliest_arrival("c", "a", 0) is None


def test_a_caller_cannot_change_the_texts():
    probe.prompts().clear()
    assert probe.prompts()


def test_a_changed_text_is_refused():
    prompt = probe.prompts()["tides"]
    with pytest.raises(ValueError, match="manifest says"):
        checked(dataclasses.replace(prompt, text=prompt.text + " And so on."))
    for field in ("kind", "length"):
        with pytest.raises(ValueError, match=field):
            checked(dataclasses.replace(prompt, **{field: "verse"}))
