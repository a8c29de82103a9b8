"""The public names of a package, each loaded when it is first asked for."""

import ast
import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module


def lazy_names(package: str) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package: its own modules are loaded when a name needs them.

    The names are those that its type checkers see: every ``from module import name as name`` under
    ``if TYPE_CHECKING:`` in its ``__init__.py``, which is read here, so that each is written once.
    """
    module_of = _deferred_imports(inspect.getsource(sys.modules[package]))
    names = sorted(module_of)

    def load(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if module_of[name] == package:
            return import_module(f"{package}.{name}")
        return getattr(import_module(module_of[name]), name)

    return names, cache(load), lambda: names


def _deferred_imports(source: str) -> dict[str, str]:
    """Name -> module of the imports under ``if TYPE_CHECKING:``."""
    return {
        alias.name: str(node.module)
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
