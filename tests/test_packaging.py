"""What is imported is declared, and what is declared is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import metasphere

ROOT = Path(__file__).parent.parent
OURS = {"metasphere", *metasphere.PACKAGES, "tests", "benchmarks"}
# xarray's engine for NetCDF, and what that engine reads with: named, not imported.
NAMED = {"h5netcdf", "h5py"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements):
    return {normal(re.split(r"[^\w.-]", each)[0]) for each in requirements}


def statements(tree, anywhere):
    """The nodes of a file; without those inside functions, which run when they are called, unless `anywhere`."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if anywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statements(node, anywhere)


def imported(*parts, anywhere=True):
    """Distributions that the Python files of folders (or files) import; a name where no distribution has it."""
    providers = packages_distributions()
    names = set()
    for part in parts:
        for path in [ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"):
            for node in statements(ast.parse(path.read_text(encoding="utf-8")), anywhere):
                if isinstance(node, ast.Import):
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.add(str(node.module).partition(".")[0])
    foreign = names - sys.stdlib_module_names - OURS
    return {normal(distribution) for name in foreign for distribution in providers.get(name, [name])}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def optional(project):
    extras = project["optional-dependencies"]
    return declared(each for name, extra in extras.items() if name not in ("test", "dev") for each in extra)


@pytest.mark.repository
def test_the_packages_import_what_is_declared_and_no_more(project):
    required, packages = declared(project["dependencies"]), ("metasphere.py", *metasphere.PACKAGES)
    assert imported(*packages, anywhere=False) <= required
    found = imported(*packages) | NAMED
    assert required <= found <= required | optional(project)


@pytest.mark.repository
def test_tests_and_benchmarks_import_what_is_declared(project):
    for_tests = declared(project["optional-dependencies"]["test"])
    found = imported("tests", "benchmarks")
    assert found <= declared(project["dependencies"]) | for_tests | optional(project)


@pytest.mark.repository
def test_what_is_pinned_is_within_what_is_declared(project):
    pinned = declared((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    extras = project["optional-dependencies"].values()
    wanted = declared(project["dependencies"]).union(*map(declared, extras)) - {"metasphere"}
    assert wanted <= pinned
