"""The command line: `metasphere COMMAND`."""

from compare.cli import models, study, sweep, theory
from compare.cli.group import main as main

__all__ = ["main", "models", "study", "sweep", "theory"]
