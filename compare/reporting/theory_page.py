"""The section of one group of simulations."""

from collections.abc import Sequence
from dataclasses import dataclass

from compare.judging import curves
from compare.reporting.charts import Picture
from compare.reporting.model_page import drawn
from compare.reporting.spheres import Player, player
from compare.reporting.verdict_table import anchor
from compare.study.results import SavedRun


@dataclass(frozen=True)
class TheoryPage:
    """What the template needs of one group of simulations."""

    name: str
    anchor: str
    runs: int
    tokens: int
    dimension: int
    pictures: tuple[Picture, ...]
    sphere: Player
    sphere_of: str


def theory_page(name: str, runs: Sequence[SavedRun]) -> TheoryPage:
    """Cluster life, number of clusters, energy and plateaus of a group, and its first run on the sphere."""
    measured = {run.label: run.measured("calibrated") for run in runs}
    first = runs[0].without_attention
    own = {name: list(measured.values())}
    charts = [
        curves.cluster_life(own, f"{name}: cluster life over its null"),
        curves.cluster_number(own, name),
        curves.energy(own, name),
        curves.mean_cosine(own, name),
        curves.plateaus(measured, f"{name}: longest plateau of every run"),
    ]
    sphere = player(first, next(iter(measured.values())))
    _, tokens, dimension = first.points.shape
    return TheoryPage(
        name,
        anchor("theory", name),
        len(runs),
        tokens,
        dimension,
        tuple(drawn(charts)),
        sphere,
        runs[0].label,
    )
