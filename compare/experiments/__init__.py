"""Experiments on the theory's open ends, by name: each a question, a table, a figure and a finding."""

from compare.experiments.experiment import Experiment as Experiment
from compare.experiments.experiment import perform as perform

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in ()}
