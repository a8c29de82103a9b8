"""What made a record, as JSON values, so that what is recorded can be saved."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np


def json_values(provenance: Mapping[Any, Any] | None) -> dict[str, Any]:
    """A copy of a provenance with JSON values only: numbers of NumPy and JAX as Python's, paths as strings.

    Raises ValueError that names the entry where a value is anything else, or a name is no string.
    """
    return _mapping(provenance or {}, "provenance")


def _mapping(values: Mapping[Any, Any], place: str) -> dict[str, Any]:
    for name in values:
        if not isinstance(name, str):
            raise ValueError(f"{place} must name its entries by strings, got {name!r}: write {str(name)!r}")
    return {name: _value(value, f"{place}[{name!r}]") for name, value in values.items()}


def _value(value: Any, place: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "__array__") and np.ndim(value) == 0:
        return _value(np.asarray(value).item(), place)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return _mapping(value, place)
    if isinstance(value, list | tuple):
        return [_value(each, f"{place}[{number}]") for number, each in enumerate(value)]
    raise ValueError(
        f"{place} must be a JSON value, got {type(value).__name__}: give numbers, strings, lists (an array's tolist()) "
        "or dictionaries of them"
    )
