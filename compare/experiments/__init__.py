"""Experiments on the theory's open ends, by name: each a question, a table, a figure and a finding."""

from compare.experiments import counts, escapes, levels, phases, saddles, staircase, trapping
from compare.experiments.experiment import Experiment as Experiment
from compare.experiments.experiment import perform as perform

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (trapping, staircase, saddles, escapes, levels, phases, counts)
}
