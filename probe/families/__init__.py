"""What is known of families of models beyond what `probe.structure` finds: each file here is of one, by its name."""

from importlib import import_module
from pkgutil import iter_modules

from .family import Family as Family
from .family import Projections as Projections

_FILES = sorted(module.name for module in iter_modules(__path__) if module.name != "family")
_KNOWN = [import_module(f"{__name__}.{name}").FAMILY for name in _FILES]
FAMILIES: dict[str, Family] = {family.name: family for family in _KNOWN}


def family_of(model_type: str) -> Family:
    """The facts of a family by the ``model_type`` of its configs; none where it has no file."""
    return FAMILIES.get(model_type, Family(model_type))
