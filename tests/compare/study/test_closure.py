"""Results never go stale: what counts as the code that makes them, and what does not."""

import textwrap

import pytest

from compare.analyses.tables import model_tables
from compare.calibration.one_group import tried
from compare.study import closure, plan
from compare.study.closure import code_digest
from compare.study.jobs import INSTRUMENTS, Job
from compare.study.measuring import measure_run
from compare.study.results import Settings
from tests.helpers.source_trees import copy_of_ours, forget

MAKERS = {**INSTRUMENTS, "measure": measure_run, "tables": model_tables, "calibrate": tried}


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """A copy of our source, which stands for it."""
    folder = copy_of_ours(tmp_path / "source")
    monkeypatch.setattr(closure, "folder_of", lambda package: folder / package)
    forget()
    yield folder
    forget()


@pytest.fixture
def reached(tmp_path, monkeypatch):
    """What `sim.root` reaches, in a package `sim` of some files by their names."""

    def reached(files):
        for name, text in files.items():
            path = tmp_path / "sim" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(closure, "folder_of", lambda package: tmp_path / package)
        forget()
        return closure.closure(["sim.root"])

    yield reached
    forget()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    forget()


def digests():
    return {name: code_digest(maker) for name, maker in MAKERS.items()}


@pytest.mark.parametrize(
    ("module", "old", "new", "remade"),
    [
        ("compare/study/simulations.py", "CAP_HEIGHT = 0.003", "CAP_HEIGHT = 0.03", {"simulate", "coalesce"}),
        ("compare/metrics/exclusions.py", "ROGUE_RATIO", "ROGUE_SHARE", {*MAKERS} - {"simulate", "coalesce"}),
        ("compare/study/coalescences.py", "BEFORE = 4.0", "BEFORE = 3.0", {"coalesce"}),
        ("probe/families/bert.py", '"""', '"""A. ', {"extract", "layer_by_layer", "tables", "calibrate"}),
        ("compare/analyses/energy_budget.py", '"""', '"""A. ', {"tables"}),
        ("probe/dynamics.py", '"""', '"""A. ', {"layer_by_layer", "tables"}),
        ("sim/mergers/solver.py", '"""', '"""A. ', {"coalesce", "calibrate"}),
        ("compare/calibration/clouds.py", '"""', '"""A. ', {"calibrate"}),
        ("compare/theory/mergers.py", '"""', '"""A. ', {"calibrate"}),
        ("compare/reporting/charts.py", '"""', '"""A. ', set()),
        ("compare/study/plan.py", "SWEEP_TOKENS = 36", "SWEEP_TOKENS = 37", set()),
        ("compare/cli/study.py", '"""', '"""A. ', set()),
    ],
)
def test_what_depends_on_a_module_is_made_again_and_nothing_else(ours, module, old, new, remade):
    before = digests()
    edit(ours / module, old, new)
    after = digests()
    assert {name for name in MAKERS if before[name] != after[name]} == remade


def test_a_module_three_imports_away_and_a_colour(ours, tmp_path, monkeypatch):
    """measuring -> measurement -> calibrated.preset -> exclusions; a chart's colour is in nobody's way."""
    settings = {"kind": "SA", "beta": 4.0, "start": "uniform", "tokens": 8, "dimension": 3, "until": 5.0}
    job = Job("one", "one", "simulate", settings | {"depths": 7, "seed": 0}, {"published": False})
    done = []
    monkeypatch.setattr(
        "compare.study.results.measure_run",
        _noting(done, "measured", measure_run),
    )
    monkeypatch.setattr(
        "compare.study.jobs.INSTRUMENTS",
        {"simulate": _noting(done, "made", INSTRUMENTS["simulate"])},
    )

    def work(keep_attention=True):
        done.clear()
        plan.work([job], tmp_path / "out", Settings(draws=9), keep_attention)
        return list(done)

    assert work() == ["made", "measured"]
    assert work() == []
    edit(ours / "compare/metrics/exclusions.py", "ROGUE_RATIO = 20", "ROGUE_RATIO = 2")
    assert work() == ["measured"]
    edit(ours / "sim/sphere.py", '"""', '"""A. ')
    assert work() == ["made", "measured"]
    colours = next(path for path in (ours / "compare").rglob("*.py") if "COLOURS = (" in path.read_text())
    edit(colours, "COLOURS = (", 'COLOURS = ("#123456", ')
    assert work() == []
    # What was let go with the attention is made anew before it is measured by other code.
    edit(ours / "sim/sphere.py", '"""A. ', '"""B. ')
    assert work(keep_attention=False) == ["made", "measured"]
    edit(ours / "compare/metrics/exclusions.py", "ROGUE_RATIO = 2", "ROGUE_RATIO = 3")
    assert work(keep_attention=False) == ["made", "measured"]
    assert work(keep_attention=False) == []


def _noting(done, word, function):
    def noted(*args, **kwargs):
        done.append(word)
        return function(*args, **kwargs)

    noted.__module__ = function.__module__
    return noted


def test_other_versions_of_a_library_are_other_code(monkeypatch):
    before = digests()
    forget()
    monkeypatch.setattr(closure, "version", lambda name: "9.9" if name == "jaxlib" else "1")
    first = digests()
    forget()
    monkeypatch.setattr(closure, "version", lambda name: "9.8" if name == "jaxlib" else "1")
    second = digests()
    monkeypatch.undo()
    forget()
    assert {name for name in MAKERS if first[name] != second[name]} >= {"simulate", "coalesce"}
    assert first["extract"] == second["extract"]  # it uses nothing of jax
    assert digests() == before


def test_imports_of_every_kind_are_followed(reached):
    modules, libraries = reached(
        {
            "__init__.py": "from sim.passed import thing as thing\nfrom sim.unused import other as other\n",
            "root.py": "import sim as s\nfrom . import near\nfrom .inner.deep import x\n"
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sim.typed\n"
            "try:\n    import zstd\nexcept ImportError:\n    from sim import instead\n"
            "def f():\n    from sim import inside\n    import numpy.linalg\n    return s.thing\n",
            **dict.fromkeys(
                ("passed.py", "unused.py", "near.py", "typed.py", "inside.py", "instead.py", "inner/deep.py"),
                "",
            ),
            "inner/__init__.py": "COUNT = 1\nfrom sim.beside import y\n",
            "beside.py": "import os",
        }
    )
    names = {"root", "passed", "near", "inside", "instead", "inner", "inner.deep", "beside"}
    assert modules == {"sim", *(f"sim.{name}" for name in names)}
    assert libraries == {"numpy", "zstd"}


NAMES = "from sim.a import a as a\nfrom sim.b import b as b\n"
LAZY = (
    f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n{textwrap.indent(NAMES, '    ')}"
    "else:\n    __all__, __getattr__, __dir__ = names(__name__)\n"
)


@pytest.mark.parametrize("package", [NAMES, LAZY])
def test_of_a_package_that_passes_names_on_only_those_in_use_count(reached, package):
    texts = {"__init__.py": package, "a.py": "a = 1", "b.py": "b = 1"}
    assert reached({"root.py": "from sim import a\n", **texts})[0] == {"sim", "sim.root", "sim.a"}
    assert reached({"root.py": "import sim\nsim.b\n", **texts})[0] == {"sim", "sim.root", "sim.b"}
    everything = {"sim", "sim.root", "sim.a", "sim.b"}
    assert reached({"root.py": "import sim\nprint(sim)\n", **texts})[0] == everything


@pytest.mark.parametrize(
    ("package", "root"),
    [
        (
            "from pkgutil import iter_modules\nNAMES = list(iter_modules(__path__))\n",
            "from sim.found import NAMES",
        ),
        ('"""All."""', "import pkgutil\nfrom sim import found\npkgutil.iter_modules(found.__path__)\n"),
    ],
)
def test_a_package_that_finds_its_modules_counts_them_all(reached, package, root):
    found = {"found/one.py": "", "found/two.py": "from sim.far import z", "far.py": "", "__init__.py": ""}
    modules, _ = reached({"root.py": root, "found/__init__.py": package, **found})
    assert modules == {"sim", "sim.root", "sim.found", "sim.found.one", "sim.found.two", "sim.far"}
