"""The thresholds of the calibrated preset, and how each is varied to see what hangs on it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from compare.metrics.calibrated.cluster_life import Rule
from compare.metrics.calibrated.plateaus import PlateauRule


class Thresholds(NamedTuple):
    """What counts as clustered, and what as a plateau."""

    cluster: Rule = Rule()
    plateau: PlateauRule = PlateauRule()


BASE = Thresholds()

CLUSTER_SWEEP = {
    "neighbour": (1, 3),
    "floor": (0.005, 0.02),
    "fewest": (1.25, 2.0),
    "most": (0.15, 0.35),
    "component": (0.05, 0.12),
    "coverage": (0.5, 0.7),
}
PLATEAU_SWEEP = {
    "least": (0.15, 0.35),
    "deviations": (2.0, 3.0),
    "successive": (0.7, 0.9),
    "ends": (0.6, 0.8),
    "depths": (4, 5),
    "loosening": (0.15, 0.5),
    "rival": (0.33, 0.67),
    "contrast": (0.15, 0.35),
}


def _variants() -> Iterator[tuple[str, Thresholds]]:
    yield "base", BASE
    for name, values in CLUSTER_SWEEP.items():
        for value in values:
            yield f"{name} {value:g}", BASE._replace(cluster=BASE.cluster._replace(**{name: value}))
    for name, values in PLATEAU_SWEEP.items():
        for value in values:
            yield f"{name} {value:g}", BASE._replace(plateau=BASE.plateau._replace(**{name: value}))


VARIANTS: Mapping[str, Thresholds] = MappingProxyType(dict(_variants()))
