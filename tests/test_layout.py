"""The tests mirror the packages, keep their helpers in one folder, and import our packages where the hook sees them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
FILES = sorted(path for path in TESTS.rglob("*.py") if path.parent != TESTS / "helpers")
OURS = {"sim", "probe", "compare"}

pytestmark = pytest.mark.repository


def imports_inside(path):
    """Lines that import our packages inside a function, but for those whose comment says why."""
    text = path.read_text()
    lines = text.splitlines()
    for function in ast.walk(ast.parse(text)):
        for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            else:
                continue
            if {name.split(".")[0] for name in modules} & OURS and "#" not in lines[node.lineno - 1]:
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_each_folder_of_tests_is_one_of_the_source():
    folders = {path.parent.relative_to(TESTS) for path in FILES}
    assert {folder.parts[0] for folder in folders if folder.parts} >= OURS
    assert [str(folder) for folder in folders if not (ROOT / folder).is_dir()] == []


def test_beside_tests_there_are_helpers_in_their_folder_only():
    assert [path.name for path in FILES if not path.name.startswith("test_")] == ["conftest.py"]


def test_our_packages_are_imported_at_the_top():
    assert [line for path in TESTS.rglob("*.py") for line in imports_inside(path)] == []


def test_an_import_inside_a_function_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "test_one.py"
    file.write_text(
        "def test():\n    import sim.sphere\n    from probe import extract  # because\n    import os\n"
    )
    assert list(imports_inside(file)) == ["test_one.py:2"]
