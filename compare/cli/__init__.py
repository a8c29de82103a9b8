"""The command line: `metasphere COMMAND`."""

from compare.cli.group import main as main
