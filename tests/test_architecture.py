"""The house of `docs/architecture.md`: floors, loose modules, names that mean one thing, and the size of a file."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("sim", "probe", "compare")
FLOORS = (
    ("sim",),
    ("probe", "compare.theory", "compare.statistics", "compare.files"),
    ("compare.plotting",),
    ("compare.metrics",),
    ("compare.analyses",),
    ("compare.judging",),
    ("compare.published",),
    ("compare.study", "compare.workers"),
    ("compare.calibration", "compare.experiments", "compare.plot"),
    ("compare.reporting",),
    ("compare.cli",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MOST_LOOSE = 4
MOST_LINES, MOST_LINES_MEDIAN = 380, 130


def room(name: str) -> str:
    """The room of a module by its dotted name: a package, or what is directly in `compare`."""
    return ".".join(name.split(".")[:2]) if name.startswith("compare.") else name.split(".")[0]


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def imported(path: Path) -> Iterator[str]:
    """What a file of ours imports from our packages, anywhere in it, by dotted name; its own package left out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = str(node.module)
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "compare" else [module]
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def upward(root: Path) -> list[tuple[str, str]]:
    """Imports that do not go down to a lower floor, nor stay in their room."""
    found = []
    for name, path in modules(root):
        if name == "compare":  # what `compare` shows is loaded from every floor
            continue
        for other in imported(path):
            here, there = room(name), room(other)
            if here != there and FLOOR_OF.get(there, len(FLOORS)) >= FLOOR_OF[here]:
                found.append((name, other))
    return found


def loose(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "compare").glob("*.py") if path.stem != "__init__")


def shared_names(root: Path) -> list[str]:
    """Names that a package shows and that one of its modules has too, where it is not the module that is shown."""
    found = []
    for name, path in modules(root):
        if path.stem != "__init__":
            continue
        inside = {each.stem for each in path.parent.iterdir() if each.suffix == ".py" or each.is_dir()}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module != name:
                shown = (alias.asname or alias.name for alias in node.names)
                found += [f"{name}.{each}" for each in shown if each in inside]
    return found


def lines(root: Path) -> dict[str, int]:
    return {name: len(path.read_text("utf-8").splitlines()) for name, path in modules(root)}


@pytest.mark.repository
def test_imports_run_down():
    assert {room(name) for name, _ in modules(ROOT)} <= {"compare", *FLOOR_OF}
    assert upward(ROOT) == []


@pytest.mark.repository
def test_few_modules_are_loose():
    assert len(loose(ROOT)) <= MOST_LOOSE


@pytest.mark.repository
def test_no_module_has_the_name_of_what_its_package_shows():
    assert shared_names(ROOT) == []


@pytest.mark.repository
def test_files_are_short():
    sizes = lines(ROOT)
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}
    assert median(sizes.values()) <= MOST_LINES_MEDIAN


def test_each_rule_can_be_broken(tmp_path):
    house = {
        "sim/__init__.py": "from sim.energy import energy as energy\n",
        "sim/energy.py": "def energy():\n    from compare import files\n",
        "compare/__init__.py": "from compare import theory as theory\n",
        "compare/files.py": "",
        "compare/theory/__init__.py": "import compare.metrics.variable\nimport sim.energy\n",
        "compare/metrics/variable.py": "\n" * 400,
    }
    for name, text in house.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert upward(tmp_path) == [
        ("sim.energy", "compare.files"),
        ("compare.theory", "compare.metrics.variable"),
    ]
    assert loose(tmp_path) == ["files"]
    assert shared_names(tmp_path) == ["sim.energy"]
    assert max(lines(tmp_path).values()) == 400
