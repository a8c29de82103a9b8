"""What a chart shows, as plain data: a hypothesis says what stands behind its verdicts, and the report draws it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import xarray as xr
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Series:
    """One line of a chart; NaN leaves a gap.

    style: its number, which sets colour, dash and marker. low, high: ends of a band around it. thin: one of many of a
    kind, without markers. points: markers only. names: of the points, shown where the pointer rests. grey: without a
    colour of its own, as what the others are held against.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    style: int = 0
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    thin: bool = False
    points: bool = False
    names: Sequence[str] = ()
    grey: bool = False


@dataclass(frozen=True)
class Axis:
    """Label with unit, and scale: "linear", "log", or "time", which is logarithmic behind a place for t = 0.

    low, high: limits that the axis reaches at least. ticks: names of places 0, 1, ... instead of numbers.
    """

    label: str
    scale: str = "linear"
    low: float | None = None
    high: float | None = None
    ticks: Sequence[str] = ()
    whole: bool = False


class Level(NamedTuple):
    """A dotted line across the chart at a value of y, and what it is."""

    value: float
    label: str


class Defined(NamedTuple):
    """A measured quantity, for a link to its definition."""

    preset: str
    name: str


@dataclass(frozen=True)
class Chart:
    """What a chart shows, its caption for the reader, and the quantity whose definition it links to."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    levels: Sequence[Level] = ()
    caption: str = ""
    defined: Defined | None = None


@dataclass(frozen=True)
class Behind:
    """The calibrated measurements behind a verdict.

    group: its name. runs: by label. controls: those of the same model with one thing changed, by that change.
    """

    group: str
    runs: Mapping[str, xr.Dataset]
    controls: Mapping[str, Mapping[str, xr.Dataset]]

    @property
    def own(self) -> dict[str, list[xr.Dataset]]:
        """The runs of the group under its name."""
        return {self.group: list(self.runs.values())}


Picture = Callable[[Behind], Chart | None]
"""The chart of a hypothesis for one group; None where there is nothing to show."""
