"""Runs of an experiment, one record each, as a labelled table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr


def tabulate(
    records: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    labels: Mapping[str, tuple[str, str]],
    axes: Sequence[str] = (),
) -> xr.Dataset:
    """One axis for each key, over the values that occur; NaN for a combination that no record has.

    records: each with the same names, values numbers, words or arrays of one shape. labels: name -> what it is in
    words, and its unit ("" where it has none). axes: names of the arrays' own axes, in order.
    """
    columns = {name: np.array([record[name] for record in records]) for name in records[0]}
    table = xr.Dataset(
        {name: (("run", *axes[: column.ndim - 1]), column) for name, column in columns.items()}
    )
    table = table.set_coords(list(keys)).set_index(run=list(keys)).unstack("run")
    for name, (words, unit) in labels.items():
        table[name].attrs = {"long_name": words} | ({"units": unit} if unit else {})
    return table.transpose(*keys, ...)
