"""Which code a result depends on: the modules that it reaches by imports, and the versions of the libraries behind."""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OURS = ("sim", "probe", "compare")
BEHIND = {
    "diffrax": ("diffrax", "equinox", "lineax", "optimistix"),
    "jax": ("jax", "jaxlib"),
    "sklearn": ("scikit-learn", "scipy"),
    "transformers": ("transformers", "tokenizers", "safetensors"),
}
"""Of a library by the name that is imported: the distributions that compute for it, where they are others."""
DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@cache
def code_digest(*makers: Callable[..., Any]) -> str:
    """SHA-256 of all code of ours that functions can reach, and of the versions of the libraries that it imports.

    A result is kept only as long as the code that made it. What counts is the file of each module that the function's
    module imports, at its top or inside a function, and so on. Of a package that only passes on names of its modules,
    the modules of the names in use count, and not the others; of a package that discovers its modules, by its
    ``__path__``, all of them. Nothing is imported. Cost: 0.1 s for all of our code, once a process.
    """
    modules, libraries = closure(maker.__module__ for maker in makers)
    digest = hashlib.sha256()
    for name in sorted(modules):
        digest.update(f"{name}\n".encode() + source(name).content)
    for library in sorted({each for name in libraries for each in BEHIND.get(name, (name,))}):
        digest.update(f"{library} {_version(library)}\n".encode())
    return digest.hexdigest()[:16]


def closure(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """The modules of ours that modules reach by imports, themselves and their packages among them; the libraries."""
    todo, modules, libraries = list(names), set[str](), set[str]()
    while todo:
        name = todo.pop()
        if name in modules:
            continue
        modules.add(name)
        for needed in source(name).needs:
            if _is_ours(needed):
                todo.append(needed)
            elif needed not in sys.stdlib_module_names:
                libraries.add(needed)
        for package in _packages(name):
            if source(package).passes_on:
                modules.add(package)
            else:
                todo.append(package)
    return modules, libraries


@dataclass(frozen=True)
class Source:
    """One module as text. passes_on: whether it is a package that defines nothing and discovers nothing itself."""

    name: str
    content: bytes
    is_package: bool

    @cached_property
    def needs(self) -> frozenset[str]:
        """The modules of ours that it uses, and the names of libraries, as far as they are imported when it runs."""
        return frozenset(_needs(self))

    @property
    def tree(self) -> ast.Module:
        """Parsed whenever it is asked for: so many nodes, if kept, would slow the garbage collector down."""
        return ast.parse(self.content)

    @property
    def statements(self) -> Iterator[ast.AST]:
        """All statements that run, at whatever depth: not those for type checkers alone."""
        return _running(self.tree.body)

    @cached_property
    def used(self) -> dict[str, set[str]]:
        """Names in use -> the attributes that are asked of them; "" where the name stands alone."""
        found: dict[str, set[str]] = {}
        inner = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.setdefault(node.value.id, set()).add(node.attr)
                inner.add(node.value)
            elif isinstance(node, ast.Name) and node not in inner:
                found.setdefault(node.id, set()).add("")
        return found

    @cached_property
    def passes_on(self) -> bool:
        if not self.is_package:
            return False
        own = (node for node in self.statements if isinstance(node, DEFINING))
        return b"__path__" not in self.content and all(_is_hidden(node) for node in own)

    @cached_property
    def exports(self) -> dict[str, str]:
        """Of a package: the names that it passes on, lazily or not -> what each is, by dotted name."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                found |= {each.asname or each.name: f"{_base(self, node)}.{each.name}" for each in node.names}
        return found


@cache
def source(name: str) -> Source:
    """A module by its dotted name; of another's module, which only a function that is given can be in, the file."""
    path = _path(name)
    if path is None:
        given = getattr(sys.modules.get(name), "__file__", None)
        return Source(name, Path(given).read_bytes() if given else b"", False)
    return Source(name, path.read_bytes(), path.name == "__init__.py")


def _needs(module: Source) -> Iterator[str]:
    for node in module.statements:
        if isinstance(node, ast.Import):
            for each in node.names:
                if _is_ours(each.name):
                    yield from _object(module, each.name, each.asname or each.name)
                else:
                    yield each.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            if not _is_ours(base):
                yield base.partition(".")[0]
                continue
            for each in node.names:
                yield from _object(module, f"{base}.{each.name}", each.asname or each.name)
    if b"__path__" in module.content and "__path__" in module.used:
        yield from _below(module.name)


def _object(module: Source, place: str, alias: str) -> Iterator[str]:
    """What a module needs of an object of ours that it imports under a name: its module, or some of its package."""
    home = _home(place)
    known = source(home)
    asked = module.used.get(alias, {""}) if known.is_package and home == place else {""}
    if not (known.passes_on and home == place):
        yield home
    elif "__path__" not in asked:
        for attribute in known.exports if "" in asked else asked:
            yield from _object(module, f"{home}.{attribute}", "")
    if "__path__" in asked:
        yield from _below(home)


@cache
def _home(place: str) -> str:
    """The module in which an object by its dotted name is defined, or the module of that name."""
    package, _, name = place.rpartition(".")
    if not package or not _is_ours(package):
        return place
    passed_on = source(package).exports.get(name) if source(package).is_package else None
    if passed_on is not None and passed_on != place and _is_ours(passed_on):
        return _home(passed_on)
    return place if _path(place) is not None else package


@cache
def _path(name: str) -> Path | None:
    """The file of a module of ours, if there is one."""
    top, *inner = name.split(".")
    folder = folder_of(top) if top in OURS else None
    if folder is None:
        return None
    path = folder.joinpath(*inner)
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in files if file.is_file()), None)


def folder_of(package: str) -> Path | None:
    """Where a package is, in a checkout as in an installed wheel, found without importing it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def _below(package: str) -> Iterator[str]:
    """All modules of a package."""
    path = _path(package)
    if path is not None:
        for file in sorted(path.parent.rglob("*.py")):
            inner = file.relative_to(path.parent).with_suffix("").parts
            yield ".".join([package, *(part for part in inner if part != "__init__")])


def _packages(name: str) -> Iterator[str]:
    while _is_ours(name) and "." in name:
        name = name.rpartition(".")[0]
        yield name


def _base(module: Source, node: ast.ImportFrom) -> str:
    """The module that a statement imports from, by its whole name."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, *filter(None, [node.module])])


def _running(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in (
            getattr(node.test, "id", ""),
            getattr(node.test, "attr", ""),
        )
        for inner in ("orelse",) if checked else ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _running(getattr(node, inner, ()))


def _is_hidden(node: Any) -> bool:
    """Whether a definition is of names such as ``__all__`` alone."""
    if hasattr(node, "name"):
        return node.name.startswith("__")
    stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return all(each.id.startswith("__") for each in stored if isinstance(each.ctx, ast.Store))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
