"""The group of commands: each is imported when it is called, from the module that registers it."""

import pkgutil
from importlib import import_module
from types import SimpleNamespace

import click
import pytest

import compare.cli
from compare.cli.group import PLACES, QUIET, bar, main


def test_every_command_is_in_the_module_that_is_imported_for_it():
    for module in pkgutil.iter_modules(compare.cli.__path__, "compare.cli."):
        import_module(module.name)
    found = {name: str(command.callback.__module__) for name, command in main.commands.items()}
    ours = {name: module for name, module in found.items() if module.startswith("compare.cli.")}
    assert ours == {name: f"compare.cli.{module}" for name, module in PLACES.items()}


def test_what_makes_files_can_be_quiet():
    """Those that only answer a question cannot."""
    answer = {"doctor", "hypotheses", "models", "prompts"}
    for name in PLACES:
        options = {option for each in _command(name).params for option in each.opts}
        assert ("--quiet" in options) == (name not in answer), name


def _command(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


@pytest.mark.parametrize(("asked", "shown"), [([], True), (["--quiet"], False)])
def test_progress_is_shown_where_a_person_watches_who_wants_it(monkeypatch, asked, shown):
    @click.command()
    @QUIET
    def work():
        return not bar([1]).disable  # pyright: ignore[reportAttributeAccessIssue]

    monkeypatch.setattr(
        "compare.cli.group.sys.stderr", SimpleNamespace(isatty=lambda: True, write=len, flush=int)
    )
    assert work.main(asked, standalone_mode=False) == shown


def test_names_of_commands_and_options_complete():
    context = click.Context(main)
    assert [item.value for item in main.shell_complete(context, "co")] == ["coalesce", "compare"]
    assert "--version" in [item.value for item in main.shell_complete(context, "--")]
