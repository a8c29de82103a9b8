"""Experiments are found where they stand: one a module, under its name, each at a place of its own."""

from importlib import import_module
from pathlib import Path

import compare.experiments
from compare.experiments import EXPERIMENTS


def test_every_module_that_runs_and_draws_is_an_experiment():
    folder = Path(str(compare.experiments.__file__)).parent
    whole = {path.stem for path in folder.glob("*.py") if "def draw(" in path.read_text("utf-8")}
    assert whole == set(EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        assert import_module(f"compare.experiments.{name}").EXPERIMENT is experiment
        assert experiment.name == name


def test_places_tell_experiments_apart():
    places = [experiment.place for experiment in EXPERIMENTS.values()]
    assert places == sorted(set(places))
