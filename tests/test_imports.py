"""Who may import whom, and what each package shows."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim.interaction_energy import dissipation, gradient

ROOT = Path(__file__).parent.parent
PUBLIC = {
    "sim": "Attention Coalescence Ending Outcome Trajectory caps coalesce energy ring simplex simulate "
    "simulate_mean_field sweep uniform",
    "probe": "extract models operators prompts",
    "compare": "Verdicts contrast judge measure plot published_criteria report theory",
}


def imported(package):
    """Top-level names that the files of a package import anywhere in them, with the file."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield str(node.module).split(".")[0], path


@pytest.mark.repository
@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("sim", {"probe", "compare", "torch", "transformers", "matplotlib"}), ("probe", {"compare"})],
)
def test_imports_never_go_back(package, forbidden):
    found = list(imported(package))
    assert found
    assert [(name, path.name) for name, path in found if name in forbidden] == []


@pytest.mark.repository
@pytest.mark.parametrize("package", PUBLIC)
def test_public_names(package):
    module = importlib.import_module(package)
    assert dir(module) == module.__all__ == PUBLIC[package].split()
    starred: dict[str, object] = {}
    exec(f"from {package} import *", starred)
    assert starred.keys() - {"__builtins__"} == set(PUBLIC[package].split())


@pytest.mark.parametrize("package", ["sim", "probe", "compare", "compare.theory"])
def test_every_public_name_comes_from_where_type_checkers_find_it(package):
    """The imports under TYPE_CHECKING, done for real, and nothing else at the top of the file."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    (deferred,) = (node for node in tree.body if isinstance(node, ast.If))
    for statement in deferred.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            assert alias.asname == alias.name
            source = importlib.import_module(str(statement.module))
            found = getattr(module, alias.name)
            assert found is getattr(source, alias.name)
            assert not (inspect.ismodule(found) and alias.name not in ("plot", "theory"))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


def run(program, folder):
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()


HEAVY = {"torch", "transformers", "sklearn", "matplotlib", "jax", "diffrax", "xarray", "pandas"}
COMMAND = "import click; from click.testing import CliRunner; from compare.cli import main; "
SIMULATION = {"jax", "diffrax", "xarray", "pandas"}


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import sim, probe, compare", set()),
        ("from compare import theory; theory.gamma_time(0.5, 32, 9.0)", set()),
        ("from compare.theory import *", set()),
        ("import sim; sim.ring(3)", set()),
        ("import probe; probe.prompts(), probe.models()", set()),
        ("import sim; sim.Trajectory", {"xarray", "pandas"}),
        ("import sim; sim.Attention(1.0)", {"jax"}),
        ("from sim import *", SIMULATION),
        (COMMAND + "CliRunner().invoke(main, ['--version'], catch_exceptions=False)", set()),
        (COMMAND + "assert main.shell_complete(click.Context(main), 'co')", set()),
    ],
)
def test_an_import_costs_what_it_uses(tmp_path, statement, loaded):
    assert set(run(f"import sys; {statement}; print(*{HEAVY} & set(sys.modules))", tmp_path)) == loaded


def test_the_theory_changes_no_switch(tmp_path):
    program = (
        "import jax; before = dict(jax.config.values); from sim import *; "
        "print(*[key for key, value in jax.config.values.items() if before.get(key, value) != value])"
    )
    assert run(program, tmp_path) == []


def test_functions_that_share_a_name_with_their_file():
    assert callable(sim.energy)
    assert callable(sim.simulate)
    assert gradient.__module__ == dissipation.__module__ == sim.energy.__module__ == "sim.interaction_energy"
