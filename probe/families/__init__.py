"""The families of models that can be read: each file here defines one, named by the ``model_type`` of its config."""

from importlib import import_module
from pkgutil import iter_modules

from .family import Family as Family
from .family import Projections as Projections
from .family import Site as Site

_FILES = sorted(module.name for module in iter_modules(__path__) if module.name != "family")
FAMILIES: dict[str, Family] = {name: import_module(f"{__name__}.{name}").FAMILY for name in _FILES}
