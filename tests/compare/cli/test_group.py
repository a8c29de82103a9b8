"""The group of commands: each is imported when it is called, from the module that registers it."""

import pkgutil
from importlib import import_module
from types import SimpleNamespace

import click
import pytest
from click.shell_completion import ShellComplete

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


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_groups_complete_with_the_blanks_in_their_names(monkeypatch, shell):
    monkeypatch.setenv("_METASPHERE_COMPLETE", f"{shell}_complete")
    completing = ShellComplete(main, {}, "metasphere", "_METASPHERE_COMPLETE")

    def offered(*before, incomplete):
        return [
            item.value for item in completing.get_completions(["compare", *before, "--group"], incomplete)
        ]

    blank = "\\ " if shell == "bash" else " "
    assert offered("--beta", "4", incomplete="USA, b") == ["USA, beta 4, d 3".replace(" ", blank)]
    assert offered(incomplete="gpt2-128-") == ["gpt2-128-early", "gpt2-128-initial"]
    assert offered("--model", "gpt2", incomplete="gp") == ["gpt2"]


def test_names_of_commands_and_options_complete():
    context = click.Context(main)
    assert [item.value for item in main.shell_complete(context, "co")] == ["coalesce", "compare"]
    assert "--version" in [item.value for item in main.shell_complete(context, "--")]
