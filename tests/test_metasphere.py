"""A foreign `sim`, `probe` or `compare` on the path gives one line that names it, and says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import metasphere

HOME = Path(metasphere.__file__).parent


def run(*arguments, first, ours=HOME):
    """Python started in the folder `first`, with ours (the true one, or a copy) behind it on the path."""
    environment = {**os.environ, "PYTHONPATH": str(ours)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=first, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def site(tmp_path):
    """A folder with the first file of each of our packages, as an installed wheel has them."""
    shutil.copy(HOME / "metasphere.py", tmp_path)
    for name in metasphere.PACKAGES:
        (tmp_path / name).mkdir()
        shutil.copy(HOME / name / "__init__.py", tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("shape", ["{}.py", "{}/__init__.py"])
@pytest.mark.parametrize(("package", "foreign"), [("probe", "sim"), ("compare", "sim"), ("compare", "probe")])
def test_a_file_of_ones_own_that_hides_a_package(tmp_path, package, foreign, shape):
    own = tmp_path / shape.format(foreign)
    own.parent.mkdir(exist_ok=True)
    own.write_text("answer = 42\n")
    script = tmp_path / "study.py"
    script.write_text(f"import {package}\n")
    done = run("study.py", first=tmp_path)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith(f"ImportError: package '{foreign}' of metasphere is hidden by {own}")
    assert "rename" in message
    assert str(HOME / foreign) in message


def test_a_foreign_package_that_was_imported_first(tmp_path):
    (tmp_path / "probe.py").write_text("answer = 42\n")
    done = run("-c", "import probe; print(probe.answer); import compare", first=tmp_path)
    assert done.stdout == "42\n"
    assert f"hidden by {tmp_path / 'probe.py'}" in done.stderr


def test_what_does_not_need_the_hidden_package_goes_on(tmp_path):
    for name in ("probe", "compare"):
        (tmp_path / f"{name}.py").write_text("answer = 42\n")
    done = run("-c", "import sim, probe; print(sim.ring(3).shape, probe.answer)", first=tmp_path)
    assert (done.stdout, done.stderr) == ("(3, 2) 42\n", "")


@pytest.mark.parametrize("foreign", metasphere.PACKAGES)
def test_the_command_says_so_in_one_line(tmp_path, foreign):
    (tmp_path / f"{foreign}.py").write_text("answer = 42\n")
    done = run("-m", "metasphere", "models", first=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"metasphere: package '{foreign}' of metasphere is hidden by {tmp_path / foreign}.py"
    )


@pytest.mark.parametrize("foreign", metasphere.PACKAGES)
def test_a_distribution_that_overwrote_a_package(site, foreign):
    (site / foreign / "__init__.py").write_text("answer = 42\n")
    done = run("-m", "metasphere", first=site, ours=site)
    assert (
        f"{site / foreign / '__init__.py'} of metasphere was overwritten by another distribution"
        in done.stderr
    )
    about = site / f"{foreign}-0.0.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {foreign}er\nVersion: 0.0.2\n")
    (about / "RECORD").write_text(f"{foreign}/__init__.py,,\n")
    done = run("-m", "metasphere", first=site, ours=site)
    assert f"the distribution {foreign}er" in done.stderr
    assert f"uninstall {foreign}er here" in done.stderr
    assert "pip install --force-reinstall --no-deps metasphere" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_package_whose_first_file_an_uninstall_took_away(site):
    (site / "probe" / "__init__.py").unlink()
    done = run("-m", "metasphere", first=site, ours=site)
    assert done.returncode == 2
    assert f"package 'probe' of metasphere has lost {site / 'probe' / '__init__.py'}" in done.stderr


def test_each_package_asks_for_those_below_it(site):
    for name in metasphere.PACKAGES[1:]:
        first = (site / "sim" / "__init__.py").read_text()
        (site / "sim" / "__init__.py").write_text("answer = 42\n")
        assert "was overwritten" in run("-c", f"import {name}", first=site, ours=site).stderr
        (site / "sim" / "__init__.py").write_text(first)
