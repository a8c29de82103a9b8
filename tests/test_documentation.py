"""The reference names all that is public and nothing else, and its docstrings keep what they say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import compare
import probe
import sim

pytestmark = pytest.mark.repository

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = {
    "sim": (sim, set()),
    "probe": (probe, {"dynamics.layer_by_layer", "dynamics.repeat", "counterfactual.counterfactual"}),
    "compare": (compare, set()),
    "theory": (compare.theory, set()),
    "plot": (compare.plot, set()),
}
PAGES["probe"][1].add("temperature.temperature")


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_has_all_that_is_public(page):
    package, modules = PAGES[page]
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    listed = re.findall(rf"^::: {re.escape(package.__name__)}\.(\S+)$", text, re.MULTILINE)
    public = {name for name in dir(package) if not isinstance(getattr(package, name), ModuleType)}
    public = {name for name in public if not name.startswith("_") and name[0].isalpha()}
    assert len(listed) == len(set(listed))
    assert set(listed) - modules == {name for name in public if _is_ours(getattr(package, name))}
    assert modules <= set(listed)


def _is_ours(shown):
    return getattr(shown, "__module__", "").split(".")[0] in ("sim", "probe", "compare")


@pytest.fixture(scope="module")
def as_markdown():
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.as_markdown


def test_a_docstring_as_markdown(as_markdown):
    text = as_markdown(
        "Weigh <x, y> of `<x>`.\n\n    <x, y> = 1\n\nArguments\n---------\nx, y: points,\n    of unit length. \n"
        "z: a number.\n\nReturns it.\nRaises ValueError.\n\n>>> weigh(1, 2)\n3\n>>> weigh(2, 2)\n4\n"
    )
    assert text.startswith("Weigh &lt;x, y> of `<x>`.\n\n    <x, y> = 1\n")
    assert "\n**Arguments**\n" in text
    assert "\n`x, y`\n:   points,\n    of unit length." in text
    assert "\n`z`\n:   a number.\n" in text
    assert "\n\n**Returns** it.\n\n**Raises** ValueError." in text
    assert "\n```python\n>>> weigh(1, 2)\n3\n>>> weigh(2, 2)\n4\n```" in text
