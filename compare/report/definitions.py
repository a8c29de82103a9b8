"""Every measured quantity of the report with its definition, once."""

from collections.abc import Iterable
from dataclasses import dataclass

import xarray as xr


@dataclass(frozen=True)
class Definition:
    """A measured quantity: its name in the files, a short title, unit, source, and what exactly it is."""

    name: str
    title: str
    unit: str
    source: str
    definition: str


def definitions(measured: Iterable[xr.Dataset]) -> tuple[Definition, ...]:
    """Of all variables of these data sets that say what they are, in alphabetical order of their titles."""
    found: dict[str, Definition] = {}
    for table in measured:
        for name, variable in table.data_vars.items():
            said = variable.attrs
            if said.get("definition"):
                found[str(name)] = Definition(
                    str(name),
                    said.get("long_name", str(name)),
                    said.get("units", ""),
                    said.get("source", ""),
                    said["definition"],
                )
    return tuple(sorted(found.values(), key=lambda one: one.title.lower()))
