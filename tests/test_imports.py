"""Who may import whom, and what each package shows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim.interaction_energy import dissipation, gradient

ROOT = Path(__file__).parent.parent
PUBLIC = {
    "sim": "Attention Coalescence Ending Outcome Trajectory caps coalesce energy ring simplex simulate sweep uniform",
    "probe": "extract models operators prompts",
    "compare": "Verdicts judge measure plot published_criteria report theory",
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
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    shown = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert None not in shown
    assert sorted(map(str, shown)) == PUBLIC[package].split()


def run(program, folder):
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()


def test_the_theory_runs_without_torch_and_changes_no_switch(tmp_path):
    program = (
        "import sys, jax; before = dict(jax.config.values); import sim; "
        "print(*[name for name in ('torch', 'transformers', 'matplotlib') if name in sys.modules]); "
        "print(*[key for key, value in jax.config.values.items() if before.get(key, value) != value])"
    )
    assert run(program, tmp_path) == []


def test_functions_that_share_a_name_with_their_file():
    assert callable(sim.energy)
    assert callable(sim.simulate)
    assert gradient.__module__ == dissipation.__module__ == sim.energy.__module__ == "sim.interaction_energy"
