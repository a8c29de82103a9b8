"""The definitions of all measured quantities of a report, each once."""

from collections.abc import Iterable
from dataclasses import dataclass

import xarray as xr

from compare.reporting.verdict_table import anchor


@dataclass(frozen=True)
class Definition:
    """A measured quantity: its place on the page, its name in the files, a short title, unit, source, and what exactly
    it is."""

    anchor: str
    name: str
    title: str
    unit: str
    source: str
    definition: str


def definition_anchor(preset: str, name: str) -> str:
    """Where the page defines a quantity; presets may give one name to two quantities, as they do to the energy."""
    return anchor("definition", preset, name)


def definitions(measured: Iterable[xr.Dataset]) -> dict[str, tuple[Definition, ...]]:
    """By preset, of all variables of these data sets that say what they are, in alphabetical order of their titles."""
    found: dict[str, dict[str, Definition]] = {}
    for table in measured:
        preset = table.attrs["preset"]
        for name, variable in table.data_vars.items():
            said = variable.attrs
            if said.get("definition"):
                found.setdefault(preset, {})[str(name)] = Definition(
                    definition_anchor(preset, str(name)),
                    str(name),
                    said.get("long_name", str(name)),
                    said.get("units", ""),
                    said.get("source", ""),
                    said["definition"],
                )
    return {
        preset: tuple(sorted(each.values(), key=lambda one: one.title.lower()))
        for preset, each in sorted(found.items())
    }
