"""A measured quantity: its dimensions, unit, source and exact definition, as written into a data set."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Variable(NamedTuple):
    """One row of a table of measured quantities.

    dims: names of its axes, in order. long_name: a short title. units: "1" for ratios and counts, "nat" for entropies.
    source: the group of the post, or the paper, that defines it. definition: one sentence with every threshold.
    """

    dims: tuple[str, ...]
    long_name: str
    units: str
    source: str
    definition: str


def labelled(
    table: Mapping[str, Variable], values: Mapping[str, Any]
) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]]:
    """Join values with their rows of the table, in the form that xarray.Dataset takes: (dims, array, attributes)."""
    return {
        name: (
            table[name].dims,
            np.asarray(value),
            {
                "long_name": table[name].long_name,
                "units": table[name].units,
                "source": table[name].source,
                "definition": table[name].definition,
            },
        )
        for name, value in values.items()
    }
