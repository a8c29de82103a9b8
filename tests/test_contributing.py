"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the tree: what they add is there, and works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import metasphere

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(python|diff) (\S+)\n(.*?)^```$", re.M | re.S)
HUNK = re.compile(r"(?:^-.*\n)+(?:^\+.*\n)+", re.M)

pytestmark = pytest.mark.repository


def recipes():
    """Title of each recipe -> its blocks, each as (language, file, text)."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Recipes")[2]
    parts = re.split(r"^### (.*)$", text, flags=re.M)
    return {title: BLOCK.findall(body) for title, body in zip(parts[1::2], parts[2::2])}


def lines_of(hunk, sign):
    return "".join(line[1:] for line in hunk.splitlines(keepends=True) if line[0] == sign)


def changed(text, diff):
    """The text with the lines of each hunk replaced, each of which it must have once."""
    hunks = HUNK.findall(diff)
    assert "".join(hunks) == diff
    for hunk in hunks:
        old, new = lines_of(hunk, "-"), lines_of(hunk, "+")
        assert ("\n" + text).count("\n" + old) == 1, f"not there once:\n{old}"
        text = ("\n" + text).replace("\n" + old, "\n" + new)[1:]
    return text


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the packages and of the tests with every recipe followed."""
    copy = tmp_path_factory.mktemp("tree")
    for name in metasphere.PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))
    (copy / "probe" / "checkpoints").symlink_to(ROOT / "probe" / "checkpoints")
    shutil.copytree(ROOT / "tests" / "helpers", copy / "tests" / "helpers")
    for name in ("metasphere.py", "pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, copy / name)
    for blocks in recipes().values():
        for language, name, text in blocks:
            path = copy / name
            assert path.exists() == (language == "diff"), name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changed(path.read_text("utf-8"), text) if language == "diff" else text, "utf-8")
    return copy


def python(tree, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_each_recipe_touches_at_most_two_files_and_one_test():
    found = recipes()
    assert len(found) == 5
    for title, blocks in found.items():
        files = [name for _, name, _ in blocks]
        tests = [name for name in files if name.startswith("tests/")]
        assert len(tests) == 1, title
        assert 1 <= len(files) - len(tests) <= 2, title


@pytest.mark.slow
def test_the_tests_of_the_recipes_pass(tree):
    files = [name for blocks in recipes().values() for _, name, _ in blocks if name.startswith("tests/")]
    assert " failed" not in python(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *files)


def test_the_command_knows_what_was_added(tree):
    assert "P90" in python(tree, "-m", "metasphere", "hypotheses")
    made = python(tree, "-m", "metasphere", "experiment", "pairs", "--quick", "--out", "out")
    assert "The cosine of two tokens of SA is gamma to" in made
    assert (tree / "out" / "experiments" / "pairs.png").stat().st_size > 1000


def test_what_a_recipe_shows_is_clean(tree):
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    files = [str(tree / name) for blocks in recipes().values() for _, name, _ in blocks]
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run([str(ruff), *command, *files], cwd=tree, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
