"""Experiments by name, on the theory's open ends and on trained models: modules of this folder with an EXPERIMENT."""

import pkgutil
from importlib import import_module

from compare.experiments.experiment import Experiment as Experiment
from compare.experiments.experiment import perform as perform


def _found() -> dict[str, Experiment]:
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    experiments = [module.EXPERIMENT for module in modules if hasattr(module, "EXPERIMENT")]
    return {one.name: one for one in sorted(experiments, key=lambda one: (one.place, one.name))}


EXPERIMENTS = _found()
