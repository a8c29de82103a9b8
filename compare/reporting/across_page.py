"""The section on all models together: speed of collapse against its predictors, and the post's Group E."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr

from compare.analyses.collapse_speed import PREDICTORS, SPEEDS, Association, Collapse, collapse
from compare.judging.chart import Axis, Chart, Series
from compare.published.timescales import TwoTimescales, two_timescales
from compare.reporting.charts import Picture
from compare.reporting.model_page import drawn

WORDS = {
    "spectral_radius": "spectral radius of O V, all heads together",
    "width": "width d",
    "blocks": "number of blocks",
    "per_layer": "-d ln(1 - rho) per block",
    "per_time": "-d ln(1 - rho) per unit of effective time",
}


@dataclass(frozen=True)
class ValueMatrix:
    """W_V of one model, alone, as the post has it: means over the layers."""

    model: str
    spectral_radius: float
    attractive_share: float
    complex_share: float


@dataclass(frozen=True)
class AcrossPage:
    """speeds: one row a model. associations: for each speed and predictor what its name says, and Spearman's r."""

    speeds: tuple[Collapse, ...]
    associations: tuple[tuple[str, str, Association], ...]
    pictures: tuple[Picture, ...]
    timescales: tuple[TwoTimescales, ...]
    value_matrices: tuple[ValueMatrix, ...]


def across_page(
    tables: Mapping[str, Mapping[str, xr.Dataset]], published: Iterable[xr.Dataset], seed: int
) -> AcrossPage:
    """tables: those of `compare.analyses.tables`, by model. published: of trained models on texts and controls."""
    speeds = tuple(_speed(name, each["speed"].attrs) for name, each in tables.items() if "speed" in each)
    found = collapse(speeds, seed) if speeds else None
    return AcrossPage(
        speeds,
        () if found is None else tuple(_associations(found)),
        tuple(drawn([_against(speeds, name) for name in PREDICTORS])) if len(speeds) > 1 else (),
        two_timescales(published),
        tuple(
            _value_matrix(name, each["value_matrices"])
            for name, each in tables.items()
            if "value_matrices" in each
        ),
    )


def _speed(name: str, attributes: Mapping[str, Any]) -> Collapse:
    known = [field.name for field in fields(Collapse) if field.name != "model"]
    return Collapse(model=name, **{key: np.asarray(attributes[key]).item() for key in known})


def _associations(found: xr.Dataset) -> Iterable[tuple[str, str, Association]]:
    for speed in SPEEDS:
        for predictor in PREDICTORS:
            cell = found.sel(speed=speed, predictor=predictor)
            numbers = {name: cell[name].item() for name in Association._fields}
            yield WORDS[speed], WORDS[predictor], Association(**numbers)


def _against(speeds: Iterable[Collapse], predictor: str) -> Chart:
    series = [
        Series(row.model, [getattr(row, predictor)], [row.per_layer], style, points=True, names=[row.model])
        for style, row in enumerate(speeds)
    ]
    return Chart(
        f"Speed of collapse against {WORDS[predictor]}",
        Axis(WORDS[predictor]),
        Axis(WORDS["per_layer"]),
        series,
    )


def _value_matrix(name: str, table: xr.Dataset) -> ValueMatrix:
    columns = ("spectral_radius", "attractive_share", "complex_share")
    return ValueMatrix(name, *(float(np.mean(table[column])) for column in columns))
