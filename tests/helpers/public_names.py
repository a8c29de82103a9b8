"""The public functions: what the packages show, and the public methods of the records among it."""

import inspect
from collections.abc import Callable

import compare
import compare.plot
import probe
import sim

PACKAGES = (sim, probe, compare, compare.theory, compare.plot)
RECORDS = (sim.Trajectory, sim.Coalescence, compare.Verdicts)


def public_functions() -> dict[str, Callable[..., object]]:
    """Dotted name -> function: functions and classes with arguments of all packages, methods of the records."""
    found = {
        f"{package.__name__}.{name}": getattr(package, name) for package in PACKAGES for name in dir(package)
    }
    functions = {name: each for name, each in found.items() if inspect.isfunction(each) or each in RECORDS}
    methods = {
        f"{record.__module__.split('.')[0]}.{record.__name__}.{name}": getattr(record, name)
        for record in RECORDS
        for name, each in vars(record).items()
        if not name.startswith("_") and isinstance(each, staticmethod | classmethod | Callable)
    }
    return {**functions, "sim.Attention": sim.Attention, **methods}
