"""What type checkers see of the packages: types everywhere, no `Any` in a public signature."""

import inspect
import os
import subprocess
import sys
import typing
from importlib.resources import files
from pathlib import Path

import numpy.typing
import pytest

from tests.helpers.public_names import public_functions

ROOT = Path(__file__).parent.parent
NUMPY = typing.get_args(numpy.typing.ArrayLike)


@pytest.mark.parametrize("package", ["sim", "probe", "compare"])
def test_a_package_says_that_it_is_typed(package):
    assert (files(package) / "py.typed").is_file()


def any_in(annotation: object) -> bool:
    """Whether `Any` occurs in an annotation, NumPy's own `ArrayLike` aside."""
    if isinstance(annotation, list):
        return any(map(any_in, annotation))
    inner = [part for part in typing.get_args(annotation) if part not in NUMPY]
    return annotation is typing.Any or any(map(any_in, inner))


@pytest.mark.parametrize(("name", "function"), public_functions().items())
def test_no_any_in_a_public_signature(name, function):
    signature = inspect.signature(function)
    said = {each.name: each.annotation for each in signature.parameters.values() if each.name != "self"}
    said["return"] = signature.return_annotation
    assert {place: each for place, each in said.items() if any_in(each)} == {}
    assert {place for place, each in said.items() if each is inspect.Parameter.empty} <= {"return"}


@pytest.mark.repository
def test_a_strict_type_checker_accepts_a_program_of_a_user(tmp_path):
    """As it sees an installed package; the libraries that no public name but of `probe` speaks of are passed over."""
    settings = tmp_path / "mypy.ini"
    passed_over = ",".join(
        f"{library}.*" for library in ("torch", "transformers", "sklearn", "matplotlib", "scipy")
    )
    settings.write_text(
        f"[mypy]\nstrict = true\nfollow_imports = silent\n[mypy-{passed_over}]\nfollow_imports = skip\n"
    )
    program = ROOT / "tests" / "helpers" / "user_program.py"
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", os.devnull, program],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == "Success: no issues found in 1 source file\n"
