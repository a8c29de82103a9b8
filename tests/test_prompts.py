"""The texts: what the manifest says of them is so, and they are usable as written."""

import ast
import hashlib
from importlib.resources import files

import pytest


def test_every_text_is_described_and_every_description_has_a_text():
    import probe

    folder = files("probe.prompts")
    texts = {entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt")}
    assert set(probe.prompts()) == texts


def test_fields():
    import probe
    from probe.prompts import KINDS

    for name, prompt in probe.prompts().items():
        assert prompt.name == name
        assert prompt.kind in KINDS
        assert prompt.sha256 == hashlib.sha256(prompt.text.encode("utf-8")).hexdigest()
        assert prompt.licence
        assert prompt.source
        assert prompt.words == len(prompt.text.split())
        assert 100 <= prompt.words <= 130  # of one length, so that length does not stand for kind
        assert prompt.text == prompt.text.strip()


def test_several_kinds_and_no_text_twice():
    import probe

    prompts = probe.prompts().values()
    assert {"encyclopaedic", "letter", "source code"} <= {prompt.kind for prompt in prompts}
    assert len({prompt.sha256 for prompt in prompts}) == len(prompts)


def test_source_code_parses_and_has_a_docstring():
    import probe

    (code,) = (prompt for prompt in probe.prompts().values() if prompt.kind == "source code")
    function = ast.parse(code.text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert ast.get_docstring(function)


def test_a_caller_cannot_change_the_texts():
    import probe

    probe.prompts().clear()
    assert probe.prompts()


def test_a_changed_text_is_refused():
    import dataclasses

    import probe
    from probe.prompts import _checked

    prompt = probe.prompts()["tides"]
    with pytest.raises(ValueError, match="manifest says"):
        _checked(dataclasses.replace(prompt, text=prompt.text + " And so on."))
    with pytest.raises(ValueError, match="kind"):
        _checked(dataclasses.replace(prompt, kind="verse"))
