"""Experiments by name, each a question, a table, a figure and a finding: the theory's open ends, and trained models."""

from compare.experiments import (
    counts,
    escapes,
    iterated,
    lengths,
    levels,
    phases,
    saddles,
    staircase,
    trapping,
    value_matrices,
)
from compare.experiments.experiment import Experiment as Experiment
from compare.experiments.experiment import perform as perform

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        trapping,
        staircase,
        saddles,
        escapes,
        levels,
        phases,
        counts,
        value_matrices,
        iterated,
        lengths,
    )
}
