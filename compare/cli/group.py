"""The group of all commands. An error is one line on standard error and exit code 2."""

import json
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem
from tqdm import tqdm

PLACES = {
    "calibrate": "study",
    "coalesce": "theory",
    "compare": "study",
    "doctor": "doctor",
    "experiment": "theory",
    "explore": "explore",
    "hypotheses": "study",
    "models": "models",
    "probe": "models",
    "prompts": "models",
    "report": "study",
    "simulate": "theory",
    "sweep": "sweep",
}
"""Command -> its module in this folder, which is imported when the command is called for."""


class Commands(click.Group):
    """Commands that are imported when called, and end what cannot be done with one line on standard error, exit code 2.

    A warning of ours is one line too. Ctrl-C is one line and exit code 130.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*PLACES, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in PLACES:
            import_module(f"compare.cli.{PLACES[cmd_name]}")
        return super().get_command(ctx, cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands and options; Click itself would import every command for its help."""
        names = [CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warn
                status = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(2)
        except click.ClickException as error:
            _refuse(error.format_message())
        except (click.Abort, KeyboardInterrupt):
            click.echo("Stopped: the same command goes on with what is finished.", err=True)
            sys.exit(130)
        except (ValueError, RuntimeError) as error:
            _refuse(str(error))
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Click itself would print an empty line for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise click.Abort from interrupt


def _refuse(message: str) -> NoReturn:
    click.echo("Error: " + " ".join(message.split()), err=True)
    sys.exit(2)


def _warn(message: Warning | str, *_: Any) -> None:
    click.echo("Warning: " + " ".join(str(message).split()), err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="metasphere")
def main() -> None:
    """Run the theory of token clustering, read trained transformers, score both with one set of metrics."""
    import jax  # a start that ends with the version or with names of commands does without

    from compare.cli.compiled import compiled_once
    from compare.study.results import LeftOutWarning

    jax.config.update("jax_enable_x64", True)
    click.get_current_context().with_resource(compiled_once())
    warnings.simplefilter("always", LeftOutWarning)


def _folder(context: click.Context, parameter: click.Parameter, given: str) -> Path:
    if not given:
        raise click.BadParameter("a folder has a name; . is this one", context, parameter)
    return Path(given)


OUT = click.option(
    "--out", callback=_folder, default="out", show_default=True, help="Folder for results.", metavar="PATH"
)
SEEDS = click.IntRange(0, 2**31 - 1)
SEED = click.option("--seed", type=SEEDS, default=0, show_default=True, help="Seed of everything random.")
DRAWS = click.option(
    "--draws",
    type=click.IntRange(min=19),
    default=99,
    show_default=True,
    help="Null draws a run; a p-value cannot be below 1 / (draws + 1).",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def _hush(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    context.meta[_HUSHED] = given


_HUSHED = f"{__name__}.quiet"
QUIET = click.option(
    "--quiet",
    "-q",
    is_flag=True,
    callback=_hush,
    expose_value=False,
    help="Print nothing but warnings, errors and what --json asks for; no progress.",
)


def is_quiet() -> bool:
    """Whether the command that runs was asked to be quiet."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_HUSHED, False)


def say(text: str) -> None:
    """Print what a person reads, unless the command was asked to be quiet."""
    if not is_quiet():
        click.echo(text)


def say_run(path: Path, directory: Path, as_json: bool) -> None:
    """The file of one run that was made, and what can be done with it."""
    if as_json:
        click.echo(json.dumps({"files": [str(path)]}))
    else:
        say(f"wrote {path}; draw it with: metasphere report {directory}")


def bar(work: Iterable[Any]) -> Iterable[Any]:
    """`work`, with a progress bar where a person watches."""
    return tqdm(work, unit="step", disable=is_quiet() or not sys.stderr.isatty())
