"""Commands about trained models and the texts that they read."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import probe
from compare.cli.group import AS_JSON, OUT, QUIET, main, say_run
from compare.files import output_directory
from compare.study import plan
from compare.study.jobs import Job
from compare.study.names import told_apart
from compare.study.subjects import Text, default_texts, subject
from probe.inputs import storable

FRAME = click.option(
    "--frame",
    type=click.Choice(["raw", "layernorm", "read"]),
    default="raw",
    show_default=True,
    help="Sphere to project on: x/|x|; that on which attention acts; or of what its matrices are given.",
)
FILES = click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Text file of your own (UTF-8); may be repeated.",
)


def chosen_texts(names: Sequence[str], files: Iterable[Path]) -> list[Text]:
    """Texts by name, or all, and the user's own; one of each class where nothing is asked for."""
    known = {name: Text(name, prompt.text, prompt.kind) for name, prompt in probe.prompts().items()}
    own = [_own(path.stem, _read(path)) for path in files]
    if not (names or own):
        return default_texts()
    for name in names:
        if name not in known and name != "all":
            raise ValueError(f"no prompt {name!r}: choose from {', '.join(known)}, all, or give --file")
    return [known[name] for name in (known if "all" in names else names)] + own


def _own(name: str, text: str) -> Text:
    """A text of the user's own, under a name that another text of that name does not share."""
    storable(text)
    return Text(f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}", text, "own")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path} as UTF-8 text ({error}): give a text file") from error
    if not text.strip():
        raise ValueError(f"{path} has no word in it: give a text file")
    return text


@main.command(name="probe")
@click.argument("model")
@click.option("--prompt", help="Name of one of the project's texts; the first one if no text is given.")
@click.option("--text", help="The text itself.")
@click.option("--file", type=click.Path(path_type=Path), help="Text file of your own (UTF-8).")
@FRAME
@click.option(
    "--attention/--no-attention", default=True, show_default=True, help="Keep the attention matrices."
)
@click.option("--revision", help="Commit, tag or branch of a hub id.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), help="Read this many tokens at most; all if not given."
)
@OUT
@AS_JSON
@QUIET
def read_model(
    model: str,
    prompt: str | None,
    text: str | None,
    file: Path | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Read the trajectory of a text through MODEL (name, hub id or folder) into OUT/runs/NAME.nc."""
    if sum(given is not None for given in (prompt, text, file)) > 1:
        raise ValueError("more than one text was given: use one of --prompt, --text, --file")
    if prompt == "all":
        raise ValueError("one text is read at a time: name one with --prompt; metasphere compare reads all")
    if text is not None:
        chosen = _own("text", text)
    else:
        chosen = chosen_texts([] if prompt is None else [prompt], [] if file is None else [file])[0]
    directory = output_directory(out)
    (of,) = told_apart([subject(model, options["revision"])], directory)
    words = [
        "" if options["frame"] == "layernorm" else options["frame"],
        "" if options["attention"] else "no attention",
        "" if options["max_tokens"] is None else f"max tokens {options['max_tokens']}",
        "" if options["revision"] is None else f"revision {options['revision']}",
    ]
    label = ", ".join([of.name, chosen.name, *filter(None, words)])
    settings = {"model": model, "files": of.files, "text": chosen.text, **options}
    facts = {"prompt": chosen.name, "prompt_class": chosen.kind, **of.facts}
    say_run(plan.run(Job(label, of.name, "extract", settings, facts), directory), directory, as_json)


@main.command()
@AS_JSON
def models(as_json: bool) -> None:
    """List the models that are known by name."""
    print_records(probe.models().values(), as_json)


@main.command()
@AS_JSON
def prompts(as_json: bool) -> None:
    """List the project's own texts."""
    print_records(probe.prompts().values(), as_json)


def print_records(records: Iterable[Any], as_json: bool) -> None:
    """Data classes as JSON, or one field a line."""
    rows = [asdict(record) for record in records]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo("\n".join(f"{key:>10}  {value}" for key, value in row.items()) + "\n")
