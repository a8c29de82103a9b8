"""The group of commands: each is imported when it is called, from the module that registers it."""

import pkgutil
from importlib import import_module

import click

import compare.cli
from compare.cli.group import PLACES, main


def test_every_command_is_in_the_module_that_is_imported_for_it():
    for module in pkgutil.iter_modules(compare.cli.__path__, "compare.cli."):
        import_module(module.name)
    found = {name: str(command.callback.__module__) for name, command in main.commands.items()}
    ours = {name: module for name, module in found.items() if module.startswith("compare.cli.")}
    assert ours == {name: f"compare.cli.{module}" for name, module in PLACES.items()}


def test_names_of_commands_and_options_complete():
    context = click.Context(main)
    assert [item.value for item in main.shell_complete(context, "co")] == ["coalesce", "compare"]
    assert "--version" in [item.value for item in main.shell_complete(context, "--")]
